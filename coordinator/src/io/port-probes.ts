/**
 * The coordinator's own look at each relay's UDP data port: a Bind under a ticket that it makes itself, once a second, from
 * a socket of its own. Any sealed answer will do; it does not bind. What answers and silences mean is the core's business.
 */
import { type DatagramBatch, type DatagramSocket, openDualStack } from "@burrow/platform";
import {
  type Bytes,
  COOKIE_LENGTH,
  type Endpoint,
  encodeBind,
  familyOf,
  isRefusal,
  type NetworkId,
  openBound,
  type RelayId,
  type Sealer,
  SYMMETRIC_KEY_LENGTH,
  type SymmetricKey,
  sealTicket,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { RelayRecord } from "../core/records.ts";
import type { RelayEntry } from "../core/relays.ts";
import type { RandomBytes } from "../core/ticket-office.ts";

const log = getLogger(["burrow", "coordinator", "probes"]);

export const PROBE_INTERVAL_MS = 1_000;
/** Relays are asked one tenth at a time. */
const TURNS = 10;
const TICKET_LIFE_MS = 3_600_000;
/** Renewed before it ends by so much: clocks differ. */
const TICKET_MARGIN_MS = 600_000;
const NO_NETWORK = "0000000000000000" as NetworkId;
const NO_COOKIE = new Uint8Array(COOKIE_LENGTH);

export interface PortProbesParts {
  readonly relays: () => readonly RelayEntry[];
  readonly sealer: Sealer;
  readonly random: RandomBytes;
  /** The wall clock: tickets expire by it. */
  readonly now: () => number;
  /** Answered in so many ms, or (undefined) not at all. */
  probed(relay: RelayId, rttMs: number | undefined): void;
}

interface Target {
  readonly ticketKey: Bytes;
  readonly ticket: Bytes;
  readonly sessionKey: SymmetricKey;
  readonly expiresAtMs: number;
  sequence: number;
  /** `performance.now()` when the open question left; undefined when there is none. */
  askedMs: number | undefined;
  /** Of its endpoints the one to be asked: another one after each silence. */
  turn: number;
}

export class PortProbes {
  readonly #parts: PortProbesParts;
  readonly #agentKey: Bytes;
  readonly #targets = new Map<RelayId, Target>();
  /** Who was asked at which address. Several may claim one: whose it is, its seal tells. */
  readonly #asked = new Map<Endpoint, Set<RelayId>>();
  #socket: DatagramSocket | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #turn = 0;

  constructor(parts: PortProbesParts) {
    this.#parts = parts;
    // Nobody needs its private half: the relay only derives an id from it.
    this.#agentKey = parts.random(32);
  }

  /** Without a socket there are no probes, and then only the relays' own word counts. */
  async start(): Promise<void> {
    try {
      this.#socket = await openDualStack({ port: 0, onBatch: (batch) => this.#heard(batch) });
    } catch (cause) {
      log.warn("cannot probe relays' UDP ports, only they themselves can: {problem}", {
        problem: String(cause),
      });
      return;
    }
    this.#timer = setInterval(() => this.#ask(), PROBE_INTERVAL_MS / TURNS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #ask(): void {
    const relays = this.#parts.relays();
    this.#turn = (this.#turn + 1) % TURNS;
    if (this.#turn === 0) this.#forgetAllBut(relays);
    for (const [index, entry] of relays.entries()) {
      const isGone = entry.state === "down" && !entry.connected;
      if (index % TURNS === this.#turn && !isGone) this.#askOne(entry.record);
    }
    this.#socket?.flush();
  }

  #askOne(record: RelayRecord): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const target = this.#targetOf(record);
    if (target.askedMs !== undefined) {
      target.turn++;
      this.#parts.probed(record.id, undefined);
    }
    const endpoints = record.endpoints.filter((endpoint) => socket.hasFamily(familyOf(endpoint)));
    const endpoint = endpoints[target.turn % Math.max(1, endpoints.length)];
    target.askedMs = undefined;
    if (endpoint === undefined) return;
    const bind = { sequence: ++target.sequence, cookie: NO_COOKIE, leaving: false, flows: [] };
    const { sealer, random } = this.#parts;
    const datagram = encodeBind(bind, target.ticket, target.sessionKey, random(24), sealer);
    const claimants = this.#asked.get(endpoint) ?? new Set();
    this.#asked.set(endpoint, claimants.add(record.id));
    target.askedMs = performance.now();
    socket.send(socket.addresses.internEndpoint(endpoint), datagram);
  }

  #heard(batch: DatagramBatch): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const nowMs = performance.now();
    for (let i = 0; i < batch.count; i++) {
      for (const relay of this.#asked.get(socket.addresses.endpoint(batch.source(i))) ?? []) {
        if (this.#isAnswerOf(relay, batch.bytes(i), nowMs)) break;
      }
    }
  }

  #isAnswerOf(relay: RelayId, datagram: Uint8Array, nowMs: number): boolean {
    const target = this.#targets.get(relay);
    if (target?.askedMs === undefined) return false;
    const bound = openBound(datagram, target.sessionKey, this.#parts.sealer);
    if (isRefusal(bound) || bound.sequence !== target.sequence) return false;
    const rttMs = nowMs - target.askedMs;
    target.askedMs = undefined;
    this.#parts.probed(relay, rttMs);
    return true;
  }

  #targetOf({ id, ticketKey }: RelayRecord): Target {
    const known = this.#targets.get(id);
    const now = this.#parts.now();
    const isGood = known !== undefined && known.ticketKey === ticketKey;
    if (isGood && now < known.expiresAtMs - TICKET_MARGIN_MS) return known;
    const { sealer, random } = this.#parts;
    const sessionKey = random(SYMMETRIC_KEY_LENGTH);
    const expiresAtMs = Math.floor(now) + TICKET_LIFE_MS;
    const ticket = sealTicket(
      {
        agentKey: this.#agentKey,
        network: NO_NETWORK,
        sessionKey,
        rateClass: 0,
        acceptsOutside: false,
        expiresAtMs,
      },
      id,
      ticketKey,
      random(24),
      sealer,
    );
    const target: Target = {
      ticketKey,
      ticket,
      sessionKey,
      expiresAtMs,
      sequence: 0,
      askedMs: undefined,
      turn: 0,
    };
    this.#targets.set(id, target);
    return target;
  }

  #forgetAllBut(relays: readonly RelayEntry[]): void {
    const present = new Set(relays.map(({ record }) => record.id));
    for (const id of this.#targets.keys()) if (!present.has(id)) this.#targets.delete(id);
    for (const [endpoint, claimants] of this.#asked) {
      for (const id of claimants) if (!present.has(id)) claimants.delete(id);
      if (claimants.size === 0) this.#asked.delete(endpoint);
    }
  }
}
