/** What the parts of Burrow say to each other: packets, tickets, probes and side-channel messages. Pure. */
export * from "./bind.ts";
export * from "./bytes.ts";
export * from "./channel/agent.ts";
export * from "./channel/channel.ts";
export * from "./channel/fields.ts";
export * from "./channel/relay.ts";
export * from "./encoding.ts";
export * from "./endpoint.ts";
export * from "./errors.ts";
export * from "./ids.ts";
export * from "./introduction.ts";
export * from "./network-probe.ts";
export * from "./openapi.ts";
export * from "./overlay.ts";
export {
  INTRODUCTION_LENGTH_MAX,
  INTRODUCTION_LENGTH_MIN,
  isFrom,
  type PeerHeader,
  peerHeader,
} from "./peer-packet.ts";
export * from "./probe.ts";
export * from "./problem.ts";
export * from "./refusal.ts";
export * from "./registry.ts";
export * from "./replay.ts";
export * from "./seal.ts";
export * from "./ticket.ts";
export * from "./token-bucket.ts";
export * from "./trunk.ts";
export * from "./trunk-ping.ts";
export * from "./websocket-url.ts";
export * from "./wireguard.ts";
