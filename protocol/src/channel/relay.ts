/** What relay and coordinator say to each other on the side channel. */
import { z } from "zod";
import {
  agentId,
  base64Of,
  claimedKey,
  endpointText,
  milliseconds,
  networkId,
  place,
  publicKey,
  RELAY_ENDPOINTS_MAX,
  region,
  relayId,
  relayInfo,
  softwareVersion,
  websocketDoor,
} from "./fields.ts";

export const FURTHER_PORTS_MAX = 3;

export const relayHello = z.object({
  type: z.literal("hello"),
  role: z.literal("relay"),
  key: claimedKey,
  proof: base64Of(32),
  /** Needed on the first registration of this key. */
  token: z.string().max(256).optional(),
  region: region.min(1),
  at: place.optional(),
  /** Stated with --advertise; otherwise the coordinator takes the connection's address and `port`. */
  endpoints: z.array(endpointText).max(RELAY_ENDPOINTS_MAX),
  port: z.number().int().min(1).max(65535),
  /** More UDP ports at the same addresses, for agents whose network lets little else pass. */
  furtherPorts: z.array(z.number().int().min(1).max(65535)).max(FURTHER_PORTS_MAX).optional(),
  /** Its WebSocket door, if it has one: stated, or the connection's address and this port. */
  websocket: z
    .object({
      url: websocketDoor.shape.url.optional(),
      port: z.number().int().min(1).max(65535),
      certificate: websocketDoor.shape.certificate,
    })
    .optional(),
  version: softwareVersion,
});
export type RelayHello = z.output<typeof relayHello>;

export const DROP_REASONS_MAX = 64;

/** Counters since the relay started. */
export const relayLoad = z.object({
  sessions: z.number().int().min(0),
  /** How many it has room for. */
  sessionsMax: z.number().int().min(1).optional(),
  flows: z.number().int().min(0),
  packets: z.number().min(0),
  bytes: z.number().min(0),
  /** By reason. The coordinator shows these as metrics: few, and with plain names. */
  drops: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/), z.number().min(0))
    .refine((drops) => Object.keys(drops).length <= DROP_REASONS_MAX, "too many drop reasons"),
});
export type RelayLoad = z.output<typeof relayLoad>;

export const REACH_MAX = 64;

/** Another relay's data port as this one found it; without a round trip it leaves pings unanswered. */
export const relayReach = z.object({ relay: relayId, rttMs: milliseconds.optional() });
export type RelayReach = z.output<typeof relayReach>;

export const fromRelay = z.discriminatedUnion("type", [
  /** Every second: silence means death. */
  z.object({
    type: z.literal("heartbeat"),
    load: relayLoad,
    draining: z.boolean(),
    /** What is new of other relays since the last one. */
    reach: z.array(relayReach).max(REACH_MAX).optional(),
  }),
]);
export type FromRelay = z.output<typeof fromRelay>;

/** An agent that a relay may have to reach by trunk: its network, its key (for MAC1), and where it is bound. */
export const route = z.object({ agent: agentId, key: publicKey, network: networkId, relay: relayId });
export type Route = z.output<typeof route>;

/** What relays are told of one another: as agents are, and whose own each is. One without a network serves all. */
export const fellowRelay = relayInfo.extend({ network: networkId.optional() });
export type FellowRelay = z.output<typeof fellowRelay>;

export const toRelay = z.discriminatedUnion("type", [
  z.object({ type: z.literal("challenge"), protocol: z.number(), nonce: base64Of(32), key: publicKey }),
  z.object({
    type: z.literal("welcome"),
    relay: relayId,
    ticketKey: base64Of(32),
    /** Whose own this relay is; absent: it serves all. */
    network: networkId.optional(),
    /** How the relay is advertised to agents and other relays. */
    endpoints: z.array(endpointText),
    relays: z.array(fellowRelay),
    routes: z.array(route),
  }),
  z.object({ type: z.literal("relays"), relays: z.array(fellowRelay) }),
  z.object({ type: z.literal("routes"), upsert: z.array(route), remove: z.array(agentId) }),
  /** Drop this agent's bindings and refuse it, whatever its ticket says. */
  z.object({ type: z.literal("revoke"), agent: agentId }),
  z.object({ type: z.literal("drain"), draining: z.boolean() }),
  z.object({ type: z.literal("error"), code: z.string(), message: z.string(), remedy: z.string() }),
]);
export type ToRelay = z.output<typeof toRelay>;
