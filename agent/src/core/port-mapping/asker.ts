/** What all ways to ask a router for a port have in common. */
import type { Endpoint } from "@burrow/protocol";
import type { Gateway } from "./gateway.ts";
import type { HttpAnswer, HttpRequest } from "./igd.ts";

export type MappingProtocol = "pcp" | "nat-pmp" | "upnp";

export interface Want {
  readonly gateway: Gateway;
  /** Of our one socket. */
  readonly port: number;
  /** The outside port that we had, or would like. */
  readonly outsidePort: number;
}

export interface Grant {
  readonly outside: Endpoint;
  readonly lifetimeS: number;
}

export interface AskerSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint): void;
  /** Answered by {@link Asker.answered}; one at a time. */
  request(request: HttpRequest): void;
  granted(grant: Grant, now: number): void;
  failed(why: string, now: number): void;
  released(now: number): void;
}

/**
 * One way, towards one router. What it is asked ends in `granted` or `failed`, what it gives back in `released`, each
 * by a deadline of its own. A new question or `release` forgets the one before.
 */
export interface Asker {
  readonly protocol: MappingProtocol;
  /** Whether the router may hold a mapping of ours. */
  readonly mayHold: boolean;
  /** Asks for a port, or for more time with one. */
  ask(want: Want, now: number): void;
  release(now: number): void;
  /** Stops whatever goes on. */
  stop(): void;
  /** A datagram of the router, from this port of its. True when it was an answer. */
  receive(datagram: Uint8Array, port: number, now: number): boolean;
  answered(answer: HttpAnswer | undefined, now: number): void;
  tick(now: number): void;
  nextDeadline(): number | undefined;
}

/** The recommendation of RFC 6886 §3.3; routers may give less. */
export const LIFETIME_WANTED_S = 7_200;

export const NO_ANSWER = "no answer";
export const NO_OUTSIDE = "it has no outer address itself";
