/** Sends what leaves to where it goes: by a path that is named, or by the ones that a peer's paths name for data. */
import type { Endpoint } from "@burrow/protocol";
import type { AgentSink } from "./contract.ts";
import type { Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";
import type { ProbeTravel } from "./probe-desk.ts";
import type { RelayLinks } from "./relays/relay-links.ts";

export interface OutletParts {
  readonly sink: Pick<AgentSink, "sendDatagram" | "sendDatagrams">;
  readonly relays: RelayLinks;
  drop(reason: "no-path" | "relay-without-endpoint", count: number): void;
}

export class Outlet {
  readonly #parts: OutletParts;

  constructor(parts: OutletParts) {
    this.#parts = parts;
  }

  send(target: PathTarget, datagram: Uint8Array, how?: ProbeTravel): void {
    const endpoint = this.#endpointOf(target);
    if (endpoint === undefined) return this.#parts.drop("relay-without-endpoint", 1);
    this.#parts.sink.sendDatagram(datagram, endpoint, { socket: socketOf(target), ...how });
  }

  sendAll(target: PathTarget, datagrams: Packets): void {
    const endpoint = this.#endpointOf(target);
    if (endpoint === undefined) return this.#parts.drop("relay-without-endpoint", datagrams.count);
    this.#parts.sink.sendDatagrams(datagrams, endpoint, socketOf(target));
  }

  /** One decision for packets that leave together. */
  sendToPeer(peer: Peer, datagrams: Packets, now: number): void {
    const { primary, also } = peer.paths.route(now, datagrams.count, longestOf(datagrams));
    if (primary === undefined) return this.#parts.drop("no-path", datagrams.count);
    this.sendAll(primary, datagrams);
    if (primary.kind === "relay") this.#parts.relays.want(primary.relay, now);
    const second = also ?? this.#untilDeclared(peer, primary);
    if (second !== undefined) this.sendAll(second, datagrams);
  }

  /** A relay that has not confirmed the peer's flows may not know them yet; the one that brought the handshake does. */
  #untilDeclared(peer: Peer, primary: PathTarget): PathTarget | undefined {
    const via = peer.lastHeardVia;
    if (primary.kind !== "relay" || via?.kind !== "relay" || via.relay === primary.relay) return undefined;
    const isKnown = peer.flows.every((index) => this.#parts.relays.isDeclared(primary.relay, index));
    return isKnown ? undefined : via;
  }

  #endpointOf(target: PathTarget): Endpoint | undefined {
    return target.kind === "direct" ? target.endpoint : this.#parts.relays.endpointOf(target.relay);
  }
}

function longestOf(datagrams: Packets): number {
  let longest = 0;
  for (let i = 0; i < datagrams.count; i++) longest = Math.max(longest, datagrams.length(i));
  return longest;
}

/** Which of our sockets; the main one without. */
function socketOf(target: PathTarget): number | undefined {
  return target.kind === "direct" ? target.socket : undefined;
}
