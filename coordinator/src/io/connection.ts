/** One WebSocket at the side channel: what state it is in, and the limits it lives under. */
import { type AgentId, type Budget, type RelayId, TokenBucket } from "@burrow/protocol";
import type { ServerWebSocket } from "bun";
import type { Challenge } from "./admission.ts";

/** An agent that meets a thousand peers introduces itself to all of them at once; nobody has more to say. */
export const MESSAGE_LIMIT: Budget = { burst: 2_000, perSecond: 200 };
/**
 * A kilobyte takes some 40 µs to read. Nobody says more than an agent whose paths to 300 peers change all the time: 200 KB
 * at most, and not more often than the agent's own pause lets it.
 */
export const BYTE_LIMIT: Budget = { burst: 1024 * 1024, perSecond: 128 * 1024 };
/** Answers to refused messages; the rest of a flood is only counted. */
export const ERROR_LIMIT: Budget = { burst: 5, perSecond: 1 };

export type ConnectionState =
  | { readonly kind: "challenged"; readonly challenge: Challenge }
  /** The hello is with the store; what comes meanwhile waits. */
  | { readonly kind: "enrolling"; readonly waiting: string[] }
  | { readonly kind: "agent"; readonly id: AgentId }
  | { readonly kind: "relay"; readonly id: RelayId }
  | { readonly kind: "ended" };

export class Connection {
  readonly address: string;
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
  readonly errors: TokenBucket;
  state: ConnectionState = { kind: "ended" };
  helloTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(address: string, now: number) {
    this.address = address;
    this.messages = new TokenBucket(MESSAGE_LIMIT, now);
    this.bytes = new TokenBucket(BYTE_LIMIT, now);
    this.errors = new TokenBucket(ERROR_LIMIT, now);
  }
}

export type Socket = ServerWebSocket<Connection>;
