/** Fields that several side-channel messages share. Texts are parsed into branded types, and bounded. */
import { z } from "zod";
import { fromBase64 } from "../encoding.ts";
import { type Endpoint, NEVER_TARGETS, parseAddress, parseEndpoint, targetProblem } from "../endpoint.ts";
import {
  type AgentId,
  isCanonicalKey,
  isId,
  type KeyText,
  keyFromText,
  type NetworkId,
  type RelayId,
} from "../ids.ts";
import { isWebsocketUrl, WEBSOCKET_URL_LENGTH_MAX } from "../websocket-url.ts";

const id = z.string().refine(isId, "not an id of 16 hex digits");

export const agentId = id.transform((text) => text as AgentId);
export const relayId = id.transform((text) => text as RelayId);
export const networkId = id.transform((text) => text as NetworkId);

export const publicKey = z
  .string()
  .refine((text) => keyFromText(text) !== undefined, "not a base64 key of 32 bytes")
  .transform((text) => text as KeyText);

/** The key that a hello claims: in its one encoding, so that one private key has one id. */
export const claimedKey = publicKey.refine((text) => {
  const key = keyFromText(text);
  return key !== undefined && isCanonicalKey(key);
}, "not the canonical encoding of an X25519 key");

/** An address as canonical text; it may end in a command line, so nothing else will do. */
export const ipAddress = z
  .string()
  .max(64)
  .transform((text, context): string => {
    const parsed = parseAddress(text);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: "not an IP address" });
    return z.NEVER;
  });

/** Text that is shown to people: nothing in it moves a terminal's cursor or breaks a log's line. */
export const shownText = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, "control characters");

/** Base64 of exactly `length` bytes. */
export const base64Of = (length: number) =>
  z
    .string()
    .max(4 * length)
    .refine((text) => fromBase64(text)?.length === length, `not base64 of ${length} bytes`);

export const endpointText = z
  .string()
  .max(64)
  .transform((text, context): Endpoint => {
    const parsed = parseEndpoint(text);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: "not an IP:PORT endpoint" });
    return z.NEVER;
  });

/** A name that works as a DNS label (RFC 1123 §2.1), so that names can resolve one day. */
export const label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "letters a-z, digits and -, 63 at most");

export const place = z.object({ lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) });
export type Place = z.output<typeof place>;

export const softwareVersion = shownText(64);
export const region = shownText(64);
export const milliseconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
export const reason = shownText(500);

/** Where an agent may be reached directly, by how it came to know (RFC 8445 §5.1.1 for the first two). */
export const candidate = z.object({
  kind: z.enum(["host", "reflexive", "mapped", "stated"]),
  endpoint: endpointText,
});
export type Candidate = z.output<typeof candidate>;
export const CANDIDATES_MAX = 32;
/** Those that are no target anywhere are dropped, not refused: routers do tell 0.0.0.0 as their outer address. */
export const candidates = z
  .array(candidate)
  .max(CANDIDATES_MAX)
  .transform((all) =>
    all.filter(({ endpoint }) => {
      const problem = targetProblem(endpoint);
      return problem === undefined || !NEVER_TARGETS.has(problem);
    }),
  );

/** How a NAT maps one socket towards several destinations (RFC 4787 §4.1), as far as two relays can tell. */
export const natMapping = z.enum(["endpoint-independent", "address-dependent", "none", "unknown"]);
export type NatMapping = z.output<typeof natMapping>;

/** Further apart than this, one outer port says nothing of the next. */
export const PORT_STEP_MAX = 32;
/** In which order a NAT gives out outer ports, as far as a few relays can tell. */
export const natPorts = z.object({
  /** Preserving: the socket's own port, where it is free. */
  order: z.enum(["preserving", "sequential", "random"]),
  /** Sequential: from one mapping to the next; less than 0 downwards. */
  step: z.int().min(-PORT_STEP_MAX).max(PORT_STEP_MAX).optional(),
  /** Sequential: the port of the newest mapping that is known. */
  last: z.int().min(1).max(65_535).optional(),
});
export type NatPorts = z.output<typeof natPorts>;

/** Why a pair is relayed; the first that holds. */
export const relayedBecause = z.enum([
  "idle",
  "udp-blocked",
  "both-nats-hard",
  "peer-without-candidates",
  "direct-clearly-worse",
  "direct-too-narrow",
  "probing",
  "candidates-silent",
]);
export type RelayedBecause = z.output<typeof relayedBecause>;

/** Upper bounds of all buckets of `durations` but the last, which has none. */
export const DURATION_BOUNDS_MS = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000] as const;

/** How often something took how long: counts by bucket, each its own. */
export const durations = z.object({
  counts: z.array(z.int().min(0).max(1_000_000)).length(DURATION_BOUNDS_MS.length + 1),
  sumMs: z
    .number()
    .min(0)
    .max(2 ** 50),
});
export type Durations = z.output<typeof durations>;

export const relayState = z.enum(["healthy", "draining", "down"]);
export type RelayState = z.output<typeof relayState>;

/** Longest certificate in PEM: one of an elliptic-curve key has some 600 characters. */
export const CERTIFICATE_LENGTH_MAX = 8192;

/** The same datagrams over WebSocket on TLS, one a binary message, for networks that block UDP. */
export const websocketDoor = z.object({
  url: z
    .string()
    .max(WEBSOCKET_URL_LENGTH_MAX)
    .refine(isWebsocketUrl, "not a wss: URL of host, port and path"),
  /** The certificate to expect, in PEM, when it is the relay's own; absent: one that the system trusts. */
  certificate: z.string().max(CERTIFICATE_LENGTH_MAX).optional(),
});
export type WebsocketDoor = z.output<typeof websocketDoor>;

export const RELAY_ENDPOINTS_MAX = 8;

/** What everybody may know of a relay. */
export const relayInfo = z.object({
  id: relayId,
  key: publicKey,
  region,
  at: place.optional(),
  /** Same relay, several doors: addresses of both families, further ports. The first is preferred. */
  endpoints: z.array(endpointText).min(1).max(RELAY_ENDPOINTS_MAX),
  websocket: websocketDoor.optional(),
  state: relayState,
});
export type RelayInfo = z.output<typeof relayInfo>;

/** What agents of one network may know of each other. */
export const peerInfo = z.object({
  id: agentId,
  key: publicKey,
  name: label,
  ipv4: ipAddress,
  ipv6: ipAddress,
  online: z.boolean(),
  /** Unix ms: when one that is not online was so last, as far as is known. */
  lastSeenMs: milliseconds.optional(),
  /** Where it is bound: first its home, then its standby. Empty while it has none. */
  relays: z.array(relayId).max(4),
});
export type PeerInfo = z.output<typeof peerInfo>;

export const grantedTicket = z.object({
  relay: relayId,
  /** Sealed for the relay; opaque to the agent. */
  ticket: base64Of(124),
  sessionKey: base64Of(32),
  expiresAtMs: milliseconds,
});
export type GrantedTicket = z.output<typeof grantedTicket>;

/** One relay in the order in which an agent should try them, and why it stands there. */
export const rankedRelay = z.object({
  relay: relayId,
  expectedRttMs: milliseconds.optional(),
  /** What the agent adds to the round trip it measures: operators' wishes. Less than 0 for a preferred one. */
  penaltyMs: z.number().optional(),
  /** Where it should stand by: there is room for it, even if all of its home's region dies. */
  standby: z.boolean().optional(),
  reason,
});
export type RankedRelay = z.output<typeof rankedRelay>;

/** What a relay's load adds to the round trip for one agent, beside `penaltyMs`. */
export const relayCrowd = z.object({ relay: relayId, ms: milliseconds });
export type RelayCrowd = z.output<typeof relayCrowd>;

/** A relay that may be the best for two agents, and the round trip between the two by it. */
export const pairRelay = z.object({ relay: relayId, expectedRttMs: milliseconds.optional(), reason });
export type PairRelay = z.output<typeof pairRelay>;
