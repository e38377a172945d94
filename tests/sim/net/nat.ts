/**
 * A NAT (RFC 4787): which outer port stands for which inner socket, and whose packets it lets back in. Mappings and
 * permissions end when nothing leaves by them for a while.
 */
import { type Endpoint, endpoint, splitEndpoint } from "@burrow/protocol";
import type { Random } from "../random.ts";

export interface NatKind {
  readonly name: string;
  /** "independent": one outer port per inner socket. "dependent": another one for every destination. */
  readonly mapping: "independent" | "dependent";
  /** Whether anybody may send to an open port, or only those to whose address and port something was sent. */
  readonly filtering: "none" | "port";
  /** From one new outer port to the next; absent: they are drawn. */
  readonly portStep?: number;
  /** It takes packets that nobody asked for for its own, and remembers them: stray-nat.ts. */
  readonly keepsStrays?: true;
}

/** What a router asks its NAT. */
export interface Translator {
  readonly kind: NatKind;
  outerAddress: string;
  /** How the packet's source looks outside. */
  outbound(source: Endpoint, to: Endpoint, now: number): Endpoint;
  /** Whose packet this is inside, or undefined when it is not let in. */
  inbound(to: Endpoint, from: Endpoint, now: number): Endpoint | undefined;
  /** The router was switched off and on: nothing is remembered, and ports are drawn anew. */
  reboot(): void;
}

export const FULL_CONE: NatKind = { name: "full-cone", mapping: "independent", filtering: "none" };
export const PORT_RESTRICTED: NatKind = {
  name: "port-restricted",
  mapping: "independent",
  filtering: "port",
};
export const STRAY: NatKind = { ...PORT_RESTRICTED, name: "stray", keepsStrays: true };
export const HARD: NatKind = { name: "hard", mapping: "dependent", filtering: "port" };
export const SEQUENTIAL: NatKind = { ...HARD, name: "sequential", portStep: 1 };

export const PORT_MIN = 1_024;
export const PORT_MAX = 65_535;

interface Mapping {
  readonly key: string;
  readonly inner: Endpoint;
  readonly outer: Endpoint;
  /** When something last left for each destination. */
  readonly sentTo: Map<Endpoint, number>;
  lastMs: number;
}

export class Nat implements Translator {
  readonly kind: NatKind;
  readonly timeoutMs: number;
  outerAddress: string;
  readonly #random: Random;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byOuter = new Map<Endpoint, Mapping>();

  constructor(kind: NatKind, outerAddress: string, timeoutMs: number, random: Random) {
    this.kind = kind;
    this.outerAddress = outerAddress;
    this.timeoutMs = timeoutMs;
    this.#random = random;
  }

  outbound(source: Endpoint, to: Endpoint, now: number): Endpoint {
    const key = this.kind.mapping === "independent" ? source : `${source} ${to}`;
    let mapping = this.#byKey.get(key);
    if (mapping !== undefined && this.#isOver(mapping.lastMs, now)) {
      this.#forget(mapping);
      mapping = undefined;
    }
    mapping ??= this.#open(key, source);
    mapping.lastMs = now;
    mapping.sentTo.set(to, now);
    return mapping.outer;
  }

  inbound(to: Endpoint, from: Endpoint, now: number): Endpoint | undefined {
    const mapping = this.#byOuter.get(to);
    if (mapping === undefined || this.#isOver(mapping.lastMs, now)) return undefined;
    if (this.kind.filtering === "none") return mapping.inner;
    const sentMs = mapping.sentTo.get(from);
    return sentMs === undefined || this.#isOver(sentMs, now) ? undefined : mapping.inner;
  }

  reboot(): void {
    this.#byKey.clear();
    this.#byOuter.clear();
    this.#keepsPorts = false;
  }

  #keepsPorts = true;
  #lastPort: number | undefined;

  #open(key: string, inner: Endpoint): Mapping {
    const wanted = splitEndpoint(inner).port;
    const keeps = this.#keepsPorts && this.kind.mapping === "independent";
    let outer = endpoint(this.outerAddress, keeps ? wanted : this.#nextPort());
    while (this.#byOuter.has(outer)) outer = endpoint(this.outerAddress, this.#nextPort());
    const mapping = { key, inner, outer, sentTo: new Map<Endpoint, number>(), lastMs: 0 };
    this.#byKey.set(key, mapping);
    this.#byOuter.set(outer, mapping);
    return mapping;
  }

  #nextPort(): number {
    const { portStep } = this.kind;
    if (portStep === undefined || this.#lastPort === undefined) {
      this.#lastPort = this.#random.whole(PORT_MIN, PORT_MAX);
    } else {
      const ports = PORT_MAX - PORT_MIN + 1;
      this.#lastPort = PORT_MIN + ((this.#lastPort - PORT_MIN + portStep + ports) % ports);
    }
    return this.#lastPort;
  }

  #forget(mapping: Mapping): void {
    this.#byKey.delete(mapping.key);
    this.#byOuter.delete(mapping.outer);
  }

  #isOver(lastMs: number, now: number): boolean {
    return now - lastMs > this.timeoutMs;
  }
}
