/** The side channel as a whole: its path, its limits, and the parsing of a text into a message or a refusal. */
import { z } from "zod";
import { agentHello } from "./agent.ts";
import { relayHello } from "./relay.ts";

/** WebSocket path at the coordinator, for agents and relays. */
export const CHANNEL_PATH = "/v1/channel";
/** WebSocket path at a relay's own door, for datagrams of agents whose network blocks UDP. */
export const DATAGRAMS_PATH = "/v1/datagrams";
/** The name in a relay's own certificate, whatever address it is reached at. */
export const RELAY_TLS_NAME = "relay.burrow.internal";
/** Longest text taken from a client. Answers may be longer: a network of 10,000 peers is one message. */
export const CLIENT_MESSAGE_BYTES_MAX = 256 * 1024;
/** A client that has not proven its key by then is dropped. */
export const HELLO_TIMEOUT_MS = 10_000;
/** Relays send a heartbeat this often … */
export const HEARTBEAT_INTERVAL_MS = 1_000;
/** … and count as down after this much silence. */
export const HEARTBEAT_SILENCE_MAX_MS = 4_000;

/** Codes that the coordinator closes a channel with. Those from 4000 on are ours: RFC 6455 §7.4.2. */
export const CloseCode = {
  goingAway: 1001,
  policyViolation: 1008,
  tryAgainLater: 1013,
  /** Another connection has proven the same key. */
  replaced: 4001,
  revoked: 4003,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

export const hello = z.discriminatedUnion("role", [agentHello, relayHello]);
export type Hello = z.output<typeof hello>;

export type ParsedMessage<T> =
  | { readonly ok: true; readonly message: T }
  | { readonly ok: false; readonly problem: string };

/** A message of `schema` from a text of unknown origin, or what is wrong with it. Never throws. */
export function parseMessage<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): ParsedMessage<z.output<Schema>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problem: "not JSON" };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, message: parsed.data };
  const [issue] = parsed.error.issues;
  return {
    ok: false,
    problem: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit the schema"}`,
  };
}
