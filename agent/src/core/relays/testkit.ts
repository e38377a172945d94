/** For tests: relays that speak Bind and Bound over a clock that the test owns, and do what it tells them. */
import {
  type AgentId,
  type Bind,
  BindStatus,
  COOKIE_LENGTH,
  type Endpoint,
  encodeBound,
  type Flow,
  type GrantedTicket,
  isRefusal,
  nobleSealer,
  openBind,
  type RankedRelay,
  type RelayId,
  type RelayInfo,
  TICKET_LENGTH,
  toBase64,
} from "@burrow/protocol";
import type { Homes } from "./homing.ts";
import type { RelayLink } from "./relay-link.ts";
import { RelayLinks, type RelayLinksSink } from "./relay-links.ts";

const COOKIE = new Uint8Array(COOKIE_LENGTH).fill(7);

export class FakeRelay {
  readonly info: RelayInfo;
  readonly sessionKey: Uint8Array;
  delayMs: number;
  /** What it answers; "cookie": a challenge, until the cookie is right. */
  answers: "cookie" | "challenge" | "expired" | "refused" | "draining" | "nothing" = "cookie";
  observed = "198.51.100.7:4000" as Endpoint;
  /** Whether the network lets datagrams for this door pass. */
  passes: (door: Endpoint) => boolean = () => true;
  readonly binds: (Bind & { readonly atMs: number; readonly to: Endpoint })[] = [];

  constructor(n: number, delayMs: number, more: Partial<RelayInfo> = {}) {
    const id = n.toString(16).padStart(16, "0") as RelayId;
    const key = toBase64(new Uint8Array(32).fill(n)) as RelayInfo["key"];
    const endpoints = [`203.0.113.${n}:21820` as Endpoint];
    this.info = { id, key, region: `r${n}`, endpoints, state: "healthy", ...more };
    this.sessionKey = new Uint8Array(32).fill(100 + n);
    this.delayMs = delayMs;
  }

  get ticket(): GrantedTicket {
    return {
      relay: this.info.id,
      ticket: toBase64(new Uint8Array(TICKET_LENGTH)),
      sessionKey: toBase64(this.sessionKey),
      expiresAtMs: 1e15,
    };
  }

  get flows(): readonly Flow[] {
    const all = new Map(this.binds.flatMap(({ flows }) => flows.map((flow) => [flow.receiverIndex, flow])));
    return [...all.values()];
  }

  status({ cookie }: Bind): BindStatus | undefined {
    if (this.answers === "nothing") return undefined;
    if (this.answers !== "cookie") return BindStatus[this.answers];
    return cookie.every((byte, i) => byte === COOKIE[i]) ? BindStatus.bound : BindStatus.challenge;
  }
}

export class LinksUnderTest implements RelayLinksSink {
  now = 1_000;
  readonly relays: readonly FakeRelay[];
  readonly links: RelayLinks;
  readonly events: string[] = [];
  readonly moves: Homes[] = [];
  readonly wanted: RelayId[][] = [];
  reflexiveChanges = 0;
  #flying: { atMs: number; run: () => void }[] = [];
  #nonce = 0;

  constructor(...relays: FakeRelay[]) {
    this.relays = relays;
    const random = (length: number) => new Uint8Array(length).fill(++this.#nonce & 0xff);
    this.links = new RelayLinks(this, { sealer: nobleSealer, random, firstSequence: 1 });
  }

  start(): this {
    this.tell();
    this.links.grant(
      this.relays.map(({ ticket }) => ticket),
      this.now,
    );
    return this;
  }

  /** The relay map, as it is now. */
  tell(): void {
    const ranking = this.relays.map(({ info }): RankedRelay => ({ relay: info.id, reason: "as drawn" }));
    const infos = this.relays.map(({ info }) => info);
    this.links.setRelays(infos, ranking, this.now);
  }

  run(ms: number): void {
    const endMs = this.now + ms;
    for (;;) {
      this.#flying.sort((a, b) => a.atMs - b.atMs);
      const arrival = this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const next = Math.max(this.now, Math.min(arrival, this.links.nextDeadline() ?? arrival));
      if (next > endMs) break;
      this.now = next;
      while ((this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.now) this.#flying.shift()?.run();
      this.links.tick(this.now);
    }
    this.now = endMs;
  }

  sendDatagram(datagram: Uint8Array, to: Endpoint): void {
    const [relay, bind] = this.#opened(datagram, to);
    if (!relay.passes(to)) return;
    const { sequence, cookie, leaving, flows } = bind;
    relay.binds.push({ sequence, cookie, leaving, flows, atMs: this.now, to });
    const status = relay.status(bind);
    if (status === undefined) return;
    const bound = { sequence, status, observed: relay.observed, cookie: COOKIE, lifetimeS: 60 };
    const bytes = encodeBound(bound, relay.sessionKey, new Uint8Array(24), nobleSealer);
    const atMs = this.now + 2 * relay.delayMs;
    this.#flying.push({ atMs, run: () => void this.links.receiveBound(bytes, to, this.now) });
  }

  /** The relay that this Bind is for, of those that say that they are there. */
  #opened(datagram: Uint8Array, to: Endpoint): readonly [FakeRelay, Bind] {
    for (const relay of this.relays) {
      if (this.links.get(relay.info.id)?.doors.includes(to) !== true) continue;
      const bind = openBind(datagram, relay.sessionKey, nobleSealer);
      if (!isRefusal(bind)) return [relay, bind];
    }
    throw new Error(`a stray Bind to ${to}`);
  }

  homesChanged(homes: Homes): void {
    this.moves.push(homes);
  }

  relayMeasured(): void {}

  reflexiveChanged(): void {
    this.reflexiveChanges++;
  }

  relayEvent(relay: RelayLink, event: string): void {
    this.events.push(`${relay.info.region} ${event}`);
  }

  ticketsWanted(relays: readonly RelayId[]): void {
    this.wanted.push([...relays]);
  }

  peer(n: number): AgentId {
    return n.toString(16).padStart(16, "0") as AgentId;
  }
}
