/** Our own WireGuard engine as the agent's tunnel: peers by agent id, sessions as flows, drops in one map. */
import { type AgentId, ENDPOINT_LENGTH, utf8, Writer, writeEndpoint } from "@burrow/protocol";
import type { Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Tunnel, TunnelPeer, TunnelSink, TunnelStatistics } from "./tunnel.ts";
import {
  type PeerHandle,
  parseAllowedIp,
  WireGuardEngine,
  type WireGuardEngineOptions,
} from "./wireguard/index.ts";

export type EngineTunnelOptions = Pick<
  WireGuardEngineOptions<PathTarget>,
  "privateKey" | "primitives" | "wallClock" | "mtuBytes"
> & { readonly random: (length: number) => Uint8Array };

export class EngineTunnel implements Tunnel {
  readonly kind = "engine";
  readonly drops = new Map<string, number>();
  readonly #engine: WireGuardEngine<PathTarget>;
  readonly #handles = new Map<AgentId, PeerHandle>();
  readonly #ids = new Map<PeerHandle, AgentId>();
  readonly #allowedIps = new Map<AgentId, string>();

  constructor(sink: TunnelSink, options: EngineTunnelOptions) {
    const idOf = (handle: PeerHandle | undefined) =>
      handle === undefined ? undefined : this.#ids.get(handle);
    this.#engine = new WireGuardEngine<PathTarget>({
      ...options,
      random: (out) => out.set(options.random(out.length)),
      cookieSource,
      sink: {
        transmit: (handle, datagrams, replyTo) => sink.transmit(idOf(handle), datagrams, replyTo),
        deliver: (handle, packets) => {
          const id = idOf(handle);
          if (id !== undefined) sink.deliver(id, packets);
        },
        authenticated: (handle, from, kind) => {
          const id = idOf(handle);
          if (id !== undefined) sink.authenticated(id, from, kind === "data");
        },
        established: (handle, session) => {
          const id = idOf(handle);
          if (id !== undefined) sink.flowEstablished(id, session.remoteIndex);
        },
        dropped: (reason) => this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1),
      },
    });
  }

  setPeer(peer: TunnelPeer, now: number): void {
    const known = this.#handles.get(peer.id);
    // Every welcome names every peer: what has not changed must cost nothing.
    const text = peer.allowedIps.join();
    if (known !== undefined && this.#allowedIps.get(peer.id) === text) return;
    this.#allowedIps.set(peer.id, text);
    const allowedIps = peer.allowedIps.flatMap((cidr) => parseAllowedIp(cidr) ?? []);
    if (known !== undefined) return this.#engine.updatePeer(known, { allowedIps }, now);
    const handle = this.#engine.addPeer({ publicKey: peer.key, allowedIps }, now);
    this.#handles.set(peer.id, handle);
    this.#ids.set(handle, peer.id);
  }

  removePeer(id: AgentId): void {
    const handle = this.#handles.get(id);
    if (handle === undefined) return;
    this.#engine.removePeer(handle);
    this.#handles.delete(id);
    this.#allowedIps.delete(id);
    this.#ids.delete(handle);
  }

  receive(datagrams: Packets, from: PathTarget, now: number): boolean {
    return this.#engine.receiveAll(datagrams, from, now);
  }

  send(packets: Packets, now: number): void {
    this.#engine.sendAll(packets, now);
  }

  kick(id: AgentId, now: number): void {
    const handle = this.#handles.get(id);
    if (handle !== undefined) this.#engine.kick(handle, now);
  }

  hasSession(id: AgentId, now: number): boolean {
    const handle = this.#handles.get(id);
    return handle !== undefined && this.#engine.isShared(handle, now);
  }

  initiate(id: AgentId, now: number): void {
    const handle = this.#handles.get(id);
    if (handle !== undefined) this.#engine.initiate(handle, now);
  }

  statistics(id: AgentId): TunnelStatistics | undefined {
    return this.#handles.get(id)?.statistics;
  }

  tick(now: number): void {
    this.#engine.tick(now);
  }

  nextDeadline(): number | undefined {
    return this.#engine.nextDeadline();
  }
}

/** Cookies are bound to where a handshake came from: the endpoint, or the relay that it came through. */
function cookieSource(from: PathTarget): Uint8Array {
  if (from.kind === "relay") return utf8(from.relay);
  return writeEndpoint(new Writer(ENDPOINT_LENGTH), from.endpoint).finish();
}
