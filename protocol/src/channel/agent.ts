/** What agent and coordinator say to each other on the side channel. JSON texts, one message each. */
import { z } from "zod";
import {
  agentId,
  base64Of,
  candidates,
  claimedKey,
  durations,
  endpointText,
  grantedTicket,
  ipAddress,
  label,
  milliseconds,
  natMapping,
  natPorts,
  networkId,
  pairRelay,
  peerInfo,
  publicKey,
  rankedRelay,
  reason,
  relayCrowd,
  relayedBecause,
  relayId,
  relayInfo,
  softwareVersion,
} from "./fields.ts";

/** Answer to the challenge: who the agent is, proven by its key. A key not known yet needs a token. */
export const agentHello = z.object({
  type: z.literal("hello"),
  role: z.literal("agent"),
  key: claimedKey,
  proof: base64Of(32),
  token: z.string().max(256).optional(),
  /** Demanded: refused if another agent of the network bears it. */
  name: label.optional(),
  /** A wish for an agent that is new and demands no name: the coordinator takes it or one like it that is free. */
  nameHint: label.optional(),
  version: softwareVersion,
  /** Whether the agent takes unmodified WireGuard clients through its relays. */
  acceptsOutside: z.boolean(),
});

/** How a peer is reached at the moment, and why so. */
export const pathReport = z.object({
  peer: agentId,
  kind: z.enum(["direct", "relay", "none"]),
  endpoint: endpointText.optional(),
  relay: relayId.optional(),
  rttMs: milliseconds.optional(),
  /** Unix milliseconds. */
  sinceMs: milliseconds,
  reason,
});
export type PathReport = z.output<typeof pathReport>;

/** An agent tells the latest ones. 200 KB at most, of the 256 that a message may have. */
export const PATHS_MAX = 300;

const byteCount = z
  .int()
  .min(0)
  .max(2 ** 50);
const pairCount = z.int().min(0).max(1_000_000);

/** Of its pairs that talk: how many go which way now, and what happened since the last such message. */
export const agentFigures = z.object({
  type: z.literal("figures"),
  direct: pairCount,
  relayed: z.partialRecord(relayedBecause, pairCount),
  bytes: z.object({ direct: byteCount, relay: byteCount }),
  /** From the first packet of a pair to its direct path. */
  timeToDirect: durations,
  /** From the last sign of life on a path that died until packets went another way. */
  failover: durations,
});
export type AgentFigures = z.output<typeof agentFigures>;

export const fromAgent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("candidates"), candidates, nat: natMapping, natPorts: natPorts.optional() }),
  /** Where the agent is bound now, and what it measured. */
  z.object({
    type: z.literal("home"),
    home: relayId.optional(),
    standby: relayId.optional(),
    rtts: z.array(z.object({ relay: relayId, rttMs: milliseconds })).max(64),
    /** How often the home moved within a day. */
    moves: z.number().int().min(0).optional(),
    reason,
  }),
  /** Asks that this agent and the peer get each other's candidates and probe at the same moment. */
  z.object({ type: z.literal("introduce"), peer: agentId }),
  z.object({ type: z.literal("ticket-request"), relays: z.array(relayId).max(16) }),
  z.object({ type: z.literal("paths"), paths: z.array(pathReport).max(PATHS_MAX) }),
  z.object({ type: z.literal("ping") }),
  agentFigures,
]);
export type FromAgent = z.output<typeof fromAgent>;
export type AgentHello = z.output<typeof agentHello>;

export const toAgent = z.discriminatedUnion("type", [
  /** First message to agents and relays alike: prove your key against this one-time key. */
  z.object({ type: z.literal("challenge"), protocol: z.number(), nonce: base64Of(32), key: publicKey }),
  z.object({
    type: z.literal("welcome"),
    agent: z.object({
      id: agentId,
      name: label,
      network: networkId,
      networkName: z.string(),
      ipv4: ipAddress,
      ipv6: ipAddress,
    }),
    /** The address this connection came from, and where a database places it. */
    observed: z.object({ address: z.string(), place: z.string().optional() }),
    relays: z.array(relayInfo),
    ranking: z.array(rankedRelay),
    tickets: z.array(grantedTicket),
    peers: z.array(peerInfo),
  }),
  /** The whole relay map, whenever it changes. */
  z.object({ type: z.literal("relays"), relays: z.array(relayInfo), ranking: z.array(rankedRelay) }),
  z.object({ type: z.literal("tickets"), tickets: z.array(grantedTicket) }),
  z.object({ type: z.literal("peers"), upsert: z.array(peerInfo), remove: z.array(agentId) }),
  /** Both sides get this at the same moment: probe all of these now. */
  z.object({
    type: z.literal("probe-now"),
    peer: agentId,
    candidates,
    nat: natMapping,
    natPorts: natPorts.optional(),
  }),
  /** How crowded the relays are for this agent; those that are not listed are not. Replaces what was said before. */
  z.object({ type: z.literal("crowds"), crowds: z.array(relayCrowd).max(64) }),
  /** For talking to this peer, beside the homes: both bind there, and measure which way is the shortest. */
  z.object({ type: z.literal("pair-relays"), peer: agentId, relays: z.array(pairRelay).max(4), reason }),
  z.object({ type: z.literal("pong") }),
  z.object({ type: z.literal("error"), code: z.string(), message: z.string(), remedy: z.string() }),
]);
export type ToAgent = z.output<typeof toAgent>;
