/** Where an agent's further sockets come from: at once in a thread that polls, later where there is an event loop. */
import { type DatagramSocket, openUdp, type UdpOptions } from "@burrow/platform";

export interface SocketMaker {
  /** Throws, or rejects, with a UserError. */
  open(options: UdpOptions): DatagramSocket | Promise<DatagramSocket>;
  close(socket: DatagramSocket): void;
}

export const PORTABLE_SOCKETS: SocketMaker = { open: openUdp, close: (socket) => socket.close() };

/** Opens a socket and hands it over, now or later. */
export function withSocket(
  maker: SocketMaker,
  options: UdpOptions,
  opened: (socket: DatagramSocket) => void,
  failed: (error: unknown) => void,
): void {
  let socket: DatagramSocket | Promise<DatagramSocket>;
  try {
    socket = maker.open(options);
  } catch (error) {
    return failed(error);
  }
  if (socket instanceof Promise) socket.then(opened, failed);
  else opened(socket);
}
