/** The doors to the operating system. */

export { ChannelSocket, type ChannelSocketEvents, channelUrl } from "./channel-socket.ts";
export { nativePrimitives } from "./crypto/native.ts";
export { noblePrimitives, portablePrimitives } from "./crypto/portable.ts";
export { type AeadKey, type Primitives, randomBytes } from "./crypto/primitives.ts";
export { sealerOf } from "./crypto/sealer.ts";
export * from "./files.ts";
export { histogramText } from "./histogram-text.ts";
export {
  type InterfaceAddress,
  type InterfaceAddresses,
  type InterfaceState,
  readInterface,
  removeInterfaceAddresses,
  setInterfaceAddresses,
  setInterfaceMtu,
  setRouteMtu,
} from "./ip-command.ts";
export { type Gateway, hasDefaultRoute } from "./network/gateway.ts";
export * from "./network/interfaces.ts";
export { watchPresence } from "./network/presence.ts";
export * from "./network/watch.ts";
export { followLinks, type OutputFile, openOutputFile } from "./output-file.ts";
export type { PacketBatch } from "./packet-batch.ts";
export { checkProxies, type HttpProxy, proxyFor, proxyProblem } from "./proxy.ts";
export { PollThread, PollThreadEnd } from "./threads/poll-thread.ts";
export * from "./tun/batched.ts";
export { adoptBatchedTun, openBatchedTun, prepareBatchedTun } from "./tun/batched-linux.ts";
export {
  newTunCounters,
  type TunAddress,
  type TunCounters,
  type TunDevice,
  type TunOptions,
} from "./tun/device.ts";
export { openTun } from "./tun/open.ts";
export * from "./udp/address-table.ts";
export * from "./udp/dual-stack.ts";
export { Poller } from "./udp/linux/poller.ts";
export { ReceivedBatch } from "./udp/linux/receiver.ts";
export {
  adoptBatchedUdp,
  type BatchedSocket,
  type BatchedUdpOptions,
  openBatchedUdp,
} from "./udp/linux/socket.ts";
export { openSteeredUdp, type SteeredSockets } from "./udp/linux/steering.ts";
export {
  clearEvent,
  closeDescriptor,
  hasBatchedCalls,
  openEvent,
  PinnedMemory,
  setThreadNiceness,
  signalEvent,
} from "./udp/linux/system.ts";
export * from "./udp/open.ts";
export * from "./udp/socket.ts";
export * from "./wireguard-interface/interface.ts";
export { type InterfaceLock, lockWireGuardInterface } from "./wireguard-interface/lock.ts";
