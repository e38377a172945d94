/**
 * Hands for a test inside a namespace: opens UDP sockets and does what it is told, one JSON object a line on standard
 * input ({@link PeerCommand}), telling what arrives on standard output ({@link PeerEvent}). Started by udp.ts.
 */
import { createInterface } from "node:readline";

export type PeerCommand =
  /** `port` 0: any. An echoing socket answers each datagram with the address it saw it come from. */
  | { do: "open"; socket: number; port: number; echo: boolean; v6: boolean }
  /** A text `hex:…` is the bytes that it spells. */
  | { do: "send"; socket: number; text: string; port: number; address: string; ttl: number };

export type PeerEvent =
  | { event: "open"; socket: number; port: number }
  | { event: "datagram"; socket: number; text: string; from: string };

const DEFAULT_TTL = 64;

type Socket = Bun.udp.Socket<"buffer">;

async function main(): Promise<void> {
  const sockets = new Map<number, Socket>();
  for await (const line of createInterface({ input: process.stdin })) {
    const command: PeerCommand = JSON.parse(line);
    if (command.do === "open") sockets.set(command.socket, await open(command));
    else {
      const socket = sockets.get(command.socket);
      socket?.setTTL(command.ttl);
      const { text } = command;
      const payload = text.startsWith("hex:") ? Uint8Array.fromHex(text.slice(4)) : text;
      socket?.send(payload, command.port, command.address);
      socket?.setTTL(DEFAULT_TTL);
    }
  }
}

async function open(command: PeerCommand & { do: "open" }): Promise<Socket> {
  const socket = await Bun.udpSocket({
    hostname: command.v6 ? "::" : "0.0.0.0",
    port: command.port,
    socket: {
      data(self, bytes, port, address) {
        // A dual-stack socket sees IPv4 mapped into IPv6.
        const plain = address.replace(/^::ffff:/, "");
        const from = plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
        if (command.echo) self.send(from, port, address);
        tell({ event: "datagram", socket: command.socket, text: bytes.toString(), from });
      },
      // Refusals by ICMP arrive here; for a test they are silence.
      error() {},
    },
  });
  tell({ event: "open", socket: command.socket, port: socket.port });
  return socket;
}

function tell(event: PeerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

if (import.meta.main) await main();
