/**
 * Is the data plane alive? Binds to it through its own UDP port, from another socket, with a ticket minted under a
 * key of this process: the challenge round and the seals are the same as for any agent. The second Bind says
 * `leaving`, so the check leaves no binding behind.
 */

import { openUdp } from "@burrow/platform";
import {
  type Bind,
  BindStatus,
  type Bytes,
  COOKIE_LENGTH,
  type Endpoint,
  encodeBind,
  isRefusal,
  type NetworkId,
  openBound,
  type RelayId,
  type Sealer,
  type SymmetricKey,
  sealTicket,
  splitEndpoint,
} from "@burrow/protocol";
import { loopbackOf } from "./data-plane.ts";

export type Health =
  | { readonly ok: true; readonly rttMs: number }
  | { readonly ok: false; readonly reason: string };

const ANSWER_TIMEOUT_MS = 1_000;
/** A Bind may be lost in a flood of strangers' without the relay being stuck. */
const ASK_AGAIN_MS = 200;
/** How long a result is good for: a load balancer may ask as often as it likes. */
const CACHE_MS = 1_000;
const CHECK_NETWORK = "0000000000000000" as NetworkId;
const CHECK_TICKET_LIFE_MS = 10_000;

export interface SelfCheckOptions {
  readonly relay: RelayId;
  readonly selfKey: SymmetricKey;
  readonly local: Endpoint;
  readonly sealer: Sealer;
  readonly random: (length: number) => Bytes;
  readonly now: () => number;
  /** The wall clock, by which tickets expire. */
  readonly unixNow: () => number;
}

export class SelfCheck {
  readonly #options: SelfCheckOptions;
  readonly #agentKey: Bytes;
  #running: Promise<Health> | undefined;

  constructor(options: SelfCheckOptions) {
    this.#options = options;
    // Nobody needs its private half: the relay only derives an id from it.
    this.#agentKey = options.random(32);
  }

  /** A result no older than the cache allows; those who ask at the same time share one check. Never rejects. */
  check(): Promise<Health> {
    this.#running ??= this.#ask()
      .catch((error: unknown): Health => ({ ok: false, reason: `cannot check: ${String(error)}` }))
      .finally(() => {
        setTimeout(() => {
          this.#running = undefined;
        }, CACHE_MS).unref();
      });
    return this.#running;
  }

  async #ask(): Promise<Health> {
    const { local, sealer, random, now } = this.#options;
    const target = loopbackOf(local);
    const sessionKey = random(32);
    const ticket = this.#mint(sessionKey);
    const startedAt = now();
    const answered = Promise.withResolvers<Health>();
    const bind = (sequence: number, cookie: Bytes, leaving: boolean): Bytes => {
      const packet: Bind = { sequence, cookie, leaving, flows: [] };
      return encodeBind(packet, ticket, sessionKey, random(24), sealer);
    };
    const host = splitEndpoint(target).address;
    const socket = await openUdp({
      address: host,
      port: 0,
      family: host.includes(":") ? 6 : 4,
      onBatch(batch, from) {
        for (let i = 0; i < batch.count; i++) {
          const bound = openBound(batch.bytes(i), sessionKey, sealer);
          if (isRefusal(bound) || typeof bound === "string") continue;
          if (bound.status === BindStatus.challenge) from.send(batch.source(i), bind(2, bound.cookie, true));
          else if (bound.sequence === 2) answered.resolve({ ok: true, rttMs: now() - startedAt });
        }
      },
    });
    const timer = setTimeout(() => {
      const reason = `the data plane did not answer a Bind at ${target} within ${ANSWER_TIMEOUT_MS} ms`;
      answered.resolve({ ok: false, reason });
    }, ANSWER_TIMEOUT_MS);
    const ask = () => {
      socket.send(socket.addresses.internEndpoint(target), bind(1, new Uint8Array(COOKIE_LENGTH), false));
      socket.flush();
    };
    ask();
    const again = setInterval(ask, ASK_AGAIN_MS);
    const health = await answered.promise;
    clearTimeout(timer);
    clearInterval(again);
    socket.close();
    return health;
  }

  #mint(sessionKey: SymmetricKey): Bytes {
    const { relay, selfKey, sealer, random, unixNow } = this.#options;
    return sealTicket(
      {
        agentKey: this.#agentKey,
        network: CHECK_NETWORK,
        sessionKey,
        rateClass: 0,
        acceptsOutside: false,
        expiresAtMs: Math.floor(unixNow()) + CHECK_TICKET_LIFE_MS,
      },
      relay,
      selfKey,
      random(24),
      sealer,
    );
  }
}
