/**
 * Has the router before us give our one UDP port an outside port, so that whoever wants can reach it: a candidate that
 * works through any NAT, this side being hard or not. Asked first by PCP, then by NAT-PMP, then by UPnP; who grants
 * first is kept to. Nothing else waits for this, and nothing ends when it fails.
 *
 *   no gateway ──▶ asking ──granted──▶ mapped ──half its life──▶ mapped, renewing ──▶ mapped …
 *                    │ nobody grants       └────────── it ran out ──▶ asking
 *                    └──▶ unavailable ──a while, or another network──▶ asking
 */
import { type Endpoint, NEVER_TARGETS, splitEndpoint, targetProblem, utf8 } from "@burrow/protocol";
import { blake2s } from "@noble/hashes/blake2.js";
import ipaddr from "ipaddr.js";
import {
  type Asker,
  type AskerSink,
  type Grant,
  type MappingProtocol,
  NO_OUTSIDE,
  type Want,
} from "./asker.ts";
import { DatagramAsker, NAT_PMP_DIALECT, pcpDialect } from "./datagram-asker.ts";
import type { Gateway } from "./gateway.ts";
import type { HttpAnswer, HttpRequest } from "./igd.ts";
import { PCP_NONCE_LENGTH } from "./pcp.ts";
import { UpnpAsker } from "./upnp-asker.ts";

/** What the better protocols get before the next one is tried as well. A router answers within milliseconds. */
const HEAD_START_MS = 300;
/** A router that grants nothing may have been told to meanwhile. */
const AGAIN_MS = 600_000;
/** RFC 6887 §11.2.1: renewals keep this distance. */
const RENEW_MIN_MS = 4_000;
/** A router that gives a mapping for longer may forget it all the same, at its next start. */
const LIFETIME_MAX_MS = 86_400_000;
/** How long goodbyes may take. */
const LEAVE_MAX_MS = 1_000;
/** After relays see us elsewhere, the router may have lost everything; not asked more often than this. */
const REVIEW_MIN_MS = 10_000;

export interface PortMapperSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint): void;
  /** An HTTP exchange with the router; `answered` tells what came of it. */
  requestHttp(id: number, request: HttpRequest): void;
}

export interface PortMapperOptions {
  /** Switched off, no router is asked for anything. */
  readonly mapsPorts: boolean;
  /** Of the agent: what only it can know makes the nonce by which it renews what an earlier run of it was given. */
  readonly privateKey: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

export interface Lease {
  readonly protocol: MappingProtocol;
  readonly gateway: string;
  readonly outside: Endpoint;
  readonly grantedMs: number;
  readonly expiresMs: number;
}

export type MappingState = "off" | "no-gateway" | "public" | "asking" | "mapped" | "unavailable" | "leaving";

export class PortMapper {
  state: MappingState;
  /** Of the latest round: why each protocol gave nothing. */
  readonly problems = new Map<MappingProtocol, string>();
  gateway: Gateway | undefined;

  readonly #sink: PortMapperSink;
  /** There is another mapping than before, or none. */
  readonly #changed: (now: number) => void;
  readonly #options: PortMapperOptions;
  #port = 0;
  #lease: Lease | undefined;
  /** Of the present router. The one that granted, once one has, is `#holder`. */
  #askers: readonly Asker[] = [];
  /** Which have begun, and when the next one does. */
  #begun = 0;
  #nextStartMs: number | undefined;
  #holder: Asker | undefined;
  #isRenewing = false;
  #renewMs: number | undefined;
  #againMs: number | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #leaveByMs: number | undefined;
  #lastRequest = 0;
  /** Whose answer an HTTP exchange brings: the latest of each asker's. */
  readonly #requests = new Map<Asker, number>();

  constructor(sink: PortMapperSink, changed: (now: number) => void, options: PortMapperOptions) {
    this.#sink = sink;
    this.#changed = changed;
    this.#options = options;
    this.state = options.mapsPorts ? "no-gateway" : "off";
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Whether a router is still being told that we go. */
  get isLeaving(): boolean {
    return this.#leaveByMs !== undefined;
  }

  /** The router before us, and the port of our socket, whenever either may have changed. */
  setGateway(gateway: Gateway | undefined, port: number, now: number): void {
    if (this.state === "off" || this.state === "leaving") return;
    const isSame = gateway?.address === this.gateway?.address && gateway?.local === this.gateway?.local;
    if (isSame && port === this.#port) return;
    // What the old router holds for us is given back if it can still hear us; nobody waits for its answer.
    for (const asker of this.#askers) if (asker.mayHold) asker.release(now);
    this.gateway = gateway;
    this.#port = port;
    this.#abandon();
    this.#drop(now);
    if (gateway === undefined || port === 0) this.state = "no-gateway";
    else if (!isPrivate(gateway.local)) this.state = "public";
    else this.#start(now);
  }

  /** Relays see us elsewhere: a router that was started anew has lost what it gave us. */
  outsideChanged(now: number): void {
    if (this.state !== "mapped" || this.#isRenewing || now - this.#askedMs < REVIEW_MIN_MS) return;
    this.#renewMs = now;
    this.tick(now);
  }

  /** A datagram to our socket. True when it was an answer of the router's. */
  receive(datagram: Uint8Array, from: Endpoint, now: number): boolean {
    if (this.gateway === undefined) return false;
    const { address, port } = splitEndpoint(from);
    if (address !== this.gateway.address) return false;
    return this.#askers.slice(0, this.#begun).some((asker) => asker.receive(datagram, port, now));
  }

  answered(id: number, answer: HttpAnswer | undefined, now: number): void {
    for (const [asker, latest] of this.#requests) {
      if (latest === id) return asker.answered(answer, now);
    }
  }

  /** Gives back what there is; `isLeaving` until that is done. */
  leave(now: number): void {
    if (this.state === "off" || this.state === "leaving") return;
    this.state = "leaving";
    this.#nextStartMs = undefined;
    this.#renewMs = undefined;
    this.#againMs = undefined;
    this.#leaveByMs = now + LEAVE_MAX_MS;
    for (const asker of this.#askers) {
      if (asker.mayHold) asker.release(now);
      else asker.stop();
    }
    this.#leftIfDone();
  }

  tick(now: number): void {
    for (const asker of this.#askers) asker.tick(now);
    if (this.#leaveByMs !== undefined && now >= this.#leaveByMs) this.#leaveByMs = undefined;
    if (this.#nextStartMs !== undefined && now >= this.#nextStartMs) this.#startNext(now);
    if (this.#againMs !== undefined && now >= this.#againMs) this.#start(now);
    if (this.#renewMs !== undefined && now >= this.#renewMs) this.#renew(now);
    if (this.#lease !== undefined && now >= this.#lease.expiresMs) this.#ranOut(now);
  }

  nextDeadline(): number | undefined {
    const expiresMs = this.state === "leaving" ? undefined : this.#lease?.expiresMs;
    let deadline = Math.min(
      this.#nextStartMs ?? NEVER,
      this.#againMs ?? NEVER,
      this.#renewMs ?? NEVER,
      this.#leaveByMs ?? NEVER,
      expiresMs ?? NEVER,
    );
    for (const asker of this.#askers) deadline = Math.min(deadline, asker.nextDeadline() ?? NEVER);
    return deadline === NEVER ? undefined : deadline;
  }

  /** Begins a round: all protocols, one after another, until one grants. */
  #start(now: number): void {
    this.#abandon();
    this.state = "asking";
    this.problems.clear();
    this.#askers = this.#makeAskers();
    this.#startNext(now);
  }

  #startNext(now: number): void {
    const asker = this.#askers[this.#begun];
    this.#nextStartMs = undefined;
    if (asker === undefined) return;
    this.#begun++;
    if (this.#begun < this.#askers.length) this.#nextStartMs = now + HEAD_START_MS;
    this.#ask(asker, now);
  }

  #ask(asker: Asker, now: number): void {
    const { gateway } = this;
    if (gateway === undefined) return;
    const outsidePort = this.#lease === undefined ? this.#port : splitEndpoint(this.#lease.outside).port;
    const want: Want = { gateway, port: this.#port, outsidePort };
    this.#askedMs = now;
    asker.ask(want, now);
  }

  #granted(asker: Asker, grant: Grant, now: number): void {
    if (this.state === "leaving") return asker.release(now);
    const problem = targetProblem(grant.outside);
    if (problem !== undefined && NEVER_TARGETS.has(problem)) {
      asker.release(now);
      return this.#failed(asker, NO_OUTSIDE, now);
    }
    for (const other of this.#askers) if (other !== asker) other.stop();
    this.#holder = asker;
    this.#nextStartMs = undefined;
    this.#isRenewing = false;
    this.problems.delete(asker.protocol);
    const lifetimeMs = Math.min(Math.max(grant.lifetimeS * 1_000, 2 * RENEW_MIN_MS), LIFETIME_MAX_MS);
    const before = this.#lease?.outside;
    this.#lease = {
      protocol: asker.protocol,
      gateway: this.gateway?.address ?? "",
      outside: grant.outside,
      grantedMs: now,
      expiresMs: now + lifetimeMs,
    };
    this.state = "mapped";
    this.#renewMs = now + lifetimeMs / 2;
    if (before !== grant.outside) this.#changed(now);
  }

  #failed(asker: Asker, why: string, now: number): void {
    this.problems.set(asker.protocol, why);
    if (this.state === "leaving") return this.#leftIfDone();
    if (this.#lease !== undefined) {
      // Half of what is left, again and again, until it has run out.
      this.#isRenewing = false;
      this.#renewMs = now + Math.max((this.#lease.expiresMs - now) / 2, RENEW_MIN_MS);
      return;
    }
    if (this.state !== "asking") return;
    if (this.#nextStartMs !== undefined) return this.#startNext(now);
    const isOver = this.#askers.every(({ protocol }) => this.problems.has(protocol));
    if (!isOver) return;
    this.state = "unavailable";
    this.#againMs = now + AGAIN_MS;
  }

  #renew(now: number): void {
    this.#renewMs = undefined;
    if (this.#holder === undefined) return;
    this.#isRenewing = true;
    this.#ask(this.#holder, now);
  }

  #ranOut(now: number): void {
    if (this.state === "leaving") return;
    this.#drop(now);
    this.#start(now);
  }

  #leftIfDone(): void {
    if (this.state === "leaving" && !this.#askers.some((asker) => asker.mayHold)) {
      this.#leaveByMs = undefined;
    }
  }

  #drop(now: number): void {
    if (this.#lease === undefined) return;
    this.#lease = undefined;
    this.#changed(now);
  }

  /** Answers to whatever goes on are nobody's from now on. */
  #abandon(): void {
    for (const asker of this.#askers) asker.stop();
    this.#askers = [];
    this.#requests.clear();
    this.#begun = 0;
    this.#holder = undefined;
    this.#isRenewing = false;
    this.#nextStartMs = undefined;
    this.#renewMs = undefined;
    this.#againMs = undefined;
  }

  #makeAskers(): Asker[] {
    const { privateKey, random } = this.#options;
    const nonce = blake2s(privateKey, { key: utf8("burrow pcp nonce v1"), dkLen: PCP_NONCE_LENGTH });
    const make = (build: (sink: AskerSink) => Asker): Asker => {
      const asker: Asker = build(this.#sinkOf(() => asker));
      return asker;
    };
    return [
      make((sink) => new DatagramAsker(sink, pcpDialect(nonce))),
      make((sink) => new DatagramAsker(sink, NAT_PMP_DIALECT)),
      make((sink) => new UpnpAsker(sink, random)),
    ];
  }

  #sinkOf(self: () => Asker): AskerSink {
    return {
      sendDatagram: (datagram: Uint8Array, to: Endpoint) => this.#sink.sendDatagram(datagram, to),
      request: (request: HttpRequest) => {
        this.#lastRequest++;
        this.#requests.set(self(), this.#lastRequest);
        this.#sink.requestHttp(this.#lastRequest, request);
      },
      granted: (grant: Grant, now: number) => this.#granted(self(), grant, now),
      failed: (why: string, now: number) => this.#failed(self(), why, now),
      released: () => this.#leftIfDone(),
    };
  }
}

const NEVER = Number.POSITIVE_INFINITY;

/** Behind a NAT, then. With a public address of our own there is nothing to map, and no stranger is asked to. */
function isPrivate(address: string): boolean {
  const range = ipaddr.parse(address).range();
  return range === "private" || range === "carrierGradeNat";
}

/** For people. */
export function leaseText(lease: Lease | undefined): string {
  if (lease === undefined) return "the router forwards no port to us any longer";
  return `the router at ${lease.gateway} forwards ${lease.outside} to us, by ${PROTOCOL_NAMES[lease.protocol]}`;
}

const PROTOCOL_NAMES: Readonly<Record<MappingProtocol, string>> = {
  pcp: "PCP",
  "nat-pmp": "NAT-PMP",
  upnp: "UPnP",
};
