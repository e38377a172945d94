/** Sends what leaves to where it goes: by a path that is named, or by the ones that a peer's paths name for data. */
import type { Endpoint, RelayId } from "@burrow/protocol";
import type { AgentSink } from "./contract.ts";
import { Ecn } from "./ecn.ts";
import type { Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";
import type { ProbeTravel } from "./probe-desk.ts";
import type { RelayLinks } from "./relays/relay-links.ts";

export interface OutletParts {
  readonly sink: Pick<AgentSink, "sendDatagram" | "sendDatagrams">;
  readonly relays: Pick<RelayLinks, "endpointOf" | "isDeclared" | "links" | "want">;
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
    // Relays do not carry marks on: what is not capable of them is dropped in a full queue, which all understand.
    const ecn = target.kind === "relay" ? Ecn.notCapable : datagrams.ecn;
    this.#parts.sink.sendDatagrams(datagrams, endpoint, socketOf(target), ecn);
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

  /**
   * A relay that has not confirmed the peer's flows may not know them yet, also when the peer's packets come by it: they
   * teach it the other direction. Until it does, packets go by one that has, or that brought the handshake, as well.
   */
  #untilDeclared(peer: Peer, primary: PathTarget): PathTarget | undefined {
    if (primary.kind !== "relay") return undefined;
    const { relays } = this.#parts;
    const isKnownAt = (relay: RelayId) => peer.flows.every((index) => relays.isDeclared(relay, index));
    if (isKnownAt(primary.relay)) return undefined;
    const known = relays.links.find(({ isBound, info: { id } }) => {
      return isBound && id !== primary.relay && isKnownAt(id);
    });
    if (known !== undefined) return { kind: "relay", relay: known.info.id };
    const via = peer.lastHeardVia;
    return via?.kind === "relay" && via.relay !== primary.relay ? via : undefined;
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
