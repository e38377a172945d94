/**
 * WireGuard as a machine without input or output of its own: packets, datagrams and the time go in, a sink is told
 * what comes out. It never looks at a path, opens a socket or reads a clock; the layer above does.
 *
 *   const engine = new WireGuardEngine({ privateKey, primitives, random, wallClock, mtuBytes: 1360, cookieSource, sink });
 *   const peer = engine.addPeer({ publicKey, allowedIps: [...] }, now);
 *   engine.sendAll(ipPackets, now);           // an initiation goes to sink.transmit, the packets wait
 *   engine.receiveAll(datagrams, path, now);  // the response: the packets go to sink.transmit, sealed
 *   engine.tick(now);                         // no later than engine.nextDeadline()
 */
import { invariant, keyToText, WireGuardTransport, WireGuardType, wireGuardKind } from "@burrow/protocol";
import type { Packets } from "../packets.ts";
import { type AllowedIp, AllowedIps } from "./allowed-ips.ts";
import { readU32 } from "./bytes.ts";
import { SPECIFIED_TIMINGS, type WireGuardTimings } from "./constants.ts";
import type { EngineContext } from "./context.ts";
import { Handshaker } from "./handshaker.ts";
import { IndexTable } from "./index-table.ts";
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from "./load.ts";
import { Opening } from "./opening.ts";
import { Peer } from "./peer.ts";
import { KEY_LENGTH, type WireGuardPrimitives } from "./primitives.ts";
import { Sealing } from "./sealing.ts";
import { DropReason, type PeerHandle, type WireGuardSink } from "./sink.ts";
import { Alarm, PeerTimers, Timer } from "./timers.ts";

export interface WireGuardEngineOptions<P> {
  readonly privateKey: Uint8Array;
  readonly primitives: WireGuardPrimitives;
  /** Fills the array with unpredictable bytes. */
  readonly random: (out: Uint8Array) => void;
  /** Unix time in milliseconds; need not be exact, should not start in the past of an earlier run. */
  readonly wallClock: () => number;
  readonly mtuBytes: number;
  /** The address behind a path as bytes, which cookies are bound to (WireGuard: IP address and port). */
  readonly cookieSource: (from: P) => Uint8Array;
  readonly sink: WireGuardSink<P>;
  readonly loadLimits?: LoadLimits;
  readonly timings?: WireGuardTimings;
}

export interface PeerSettings {
  /** 32 bytes, or undefined for none. */
  readonly presharedKey?: Uint8Array | undefined;
  readonly allowedIps?: readonly AllowedIp[];
  /** Zero: off. */
  readonly persistentKeepaliveMs?: number;
}

export class WireGuardEngine<P> {
  readonly publicKey: Uint8Array;
  readonly #peers = new Map<string, Peer>();
  readonly #allowedIps = new AllowedIps<Peer>();
  readonly #alarm = new Alarm();
  readonly #drops: Record<DropReason, number>;
  readonly #context: EngineContext<P>;
  readonly #handshaker: Handshaker<P>;
  readonly #sealing: Sealing<P>;
  readonly #opening: Opening<P>;

  constructor(options: WireGuardEngineOptions<P>) {
    const { privateKey, primitives, random, wallClock, sink, cookieSource, mtuBytes } = options;
    invariant(privateKey.length === KEY_LENGTH, "a private key has 32 bytes");
    this.publicKey = primitives.x25519Public(privateKey);
    this.#drops = noDrops();
    this.#context = {
      primitives,
      local: { privateKey: privateKey.slice(), publicKey: this.publicKey },
      timings: options.timings ?? SPECIFIED_TIMINGS,
      sink,
      random,
      wallClock,
      indices: new IndexTable(random),
      drop: (reason) => {
        this.#drops[reason] += 1;
        sink.dropped(reason);
      },
      requestHandshake: (peer, now) => this.#handshaker.request(peer, now),
      sessionReady: (peer, now, isInitiator) => {
        // The responder may not send before it has heard from the initiator, so something must go out now.
        if (!this.#sealing.flush(peer, now) && isInitiator) this.#sealing.sendKeepalive(peer, now);
      },
    };
    const loadLimits = options.loadLimits ?? DEFAULT_LOAD_LIMITS;
    this.#handshaker = new Handshaker(this.#context, { peers: this.#peers, loadLimits, cookieSource });
    this.#sealing = new Sealing(this.#context, { allowedIps: this.#allowedIps, mtuBytes });
    this.#opening = new Opening(this.#context, {
      allowedIps: this.#allowedIps,
      confirmed: (peer, now) => {
        this.#handshaker.complete(peer, now);
        this.#context.sessionReady(peer, now, false);
      },
    });
  }

  /** How many packets went no further, by reason. */
  get drops(): Readonly<Record<DropReason, number>> {
    return this.#drops;
  }

  get peers(): IterableIterator<PeerHandle> {
    return this.#peers.values();
  }

  peerOf(publicKey: Uint8Array): PeerHandle | undefined {
    return this.#peers.get(keyToText(publicKey));
  }

  /** A key may be added once, and not be our own. */
  addPeer(settings: PeerSettings & { readonly publicKey: Uint8Array }, now: number): PeerHandle {
    const { primitives, local, timings, random, indices } = this.#context;
    const { publicKey } = settings;
    const text = keyToText(publicKey);
    invariant(publicKey.length === KEY_LENGTH, "a public key has 32 bytes");
    invariant(
      !this.#peers.has(text) && text !== keyToText(this.publicKey),
      "a peer is added once, and never us",
    );
    const seed = new Uint32Array(1);
    random(new Uint8Array(seed.buffer));
    const timers = new PeerTimers(this.#alarm, timings, seed[0] ?? 1);
    const retire = (keypair: { readonly localIndex: number }) => indices.delete(keypair.localIndex);
    const peer = new Peer(primitives, local, publicKey, timers, retire);
    this.#peers.set(text, peer);
    this.updatePeer(peer, settings, now);
    return peer;
  }

  /** Changes what is given and leaves the rest. A preshared key counts from the next handshake on. */
  updatePeer(handle: PeerHandle, settings: PeerSettings, now: number): void {
    const peer = own(handle);
    if (peer.isRemoved) return;
    if ("presharedKey" in settings) {
      const { presharedKey } = settings;
      invariant(
        presharedKey === undefined || presharedKey.length === KEY_LENGTH,
        "a preshared key has 32 bytes",
      );
      peer.presharedKey = presharedKey?.slice() ?? new Uint8Array(KEY_LENGTH);
    }
    if (settings.allowedIps !== undefined) {
      this.#allowedIps.removeOwner(peer);
      for (const block of settings.allowedIps) this.#allowedIps.set(block, peer);
    }
    if (settings.persistentKeepaliveMs !== undefined) {
      peer.timers.setPersistentKeepalive(settings.persistentKeepaliveMs, now);
    }
  }

  removePeer(handle: PeerHandle): void {
    const peer = own(handle);
    if (peer.isRemoved) return;
    peer.isRemoved = true;
    this.#peers.delete(keyToText(peer.publicKey));
    this.#allowedIps.removeOwner(peer);
    this.#zero(peer);
    peer.timers.cancelAll();
    peer.presharedKey.fill(0);
  }

  /**
   * Seals IP packets to the peers that own their destinations, where they lie: they have SEAL_HEADROOM before them and
   * SEAL_TAILROOM behind. Without a session they wait for one, as copies.
   */
  sendAll(packets: Packets, now: number): void {
    this.#sealing.sendAll(packets, now);
  }

  /**
   * Datagrams that came by `from`, which the engine hands on and never looks at, opened where they lie. Never throws,
   * whatever they hold. False when any is of a session we do not have.
   */
  receiveAll(datagrams: Packets, from: P, now: number): boolean {
    const { memory, count } = datagrams;
    let isKnown = true;
    this.#opening.begin(memory, datagrams.ecn);
    for (let i = 0; i < count; i++) {
      const at = datagrams.offset(i);
      const reason = this.#dispatch(memory, at, datagrams.length(i), from, now);
      if (reason === undefined) continue;
      if (reason === DropReason.unknownIndex) isKnown = false;
      this.#context.drop(reason);
    }
    this.#opening.finish(from, now);
    return isKnown;
  }

  /** Is there a session that can send? */
  isConnected(handle: PeerHandle, now: number): boolean {
    return own(handle).keypairs.current?.canSend(now, this.#context.timings.rejectAfterMs) ?? false;
  }

  /** Is there one that both ends are known to have? */
  isShared(handle: PeerHandle, now: number): boolean {
    return this.isConnected(handle, now) && own(handle).keypairs.current?.isHeard === true;
  }

  /**
   * Begins a handshake unless there is a session or a handshake is under way; with `force` even then, but no sooner
   * than 20 ms after the last. Where there is a session that the peer was never heard by, an empty packet tells of it:
   * the one that was to confirm it may have been lost, and with nothing to say we would not send another.
   */
  initiate(handle: PeerHandle, now: number, options: { readonly force?: boolean } = {}): void {
    const peer = own(handle);
    if (peer.isRemoved) return;
    if (options.force === true) this.#handshaker.force(peer, now);
    else if (!this.isConnected(peer, now)) this.#handshaker.request(peer, now);
    else if (!this.isShared(peer, now)) this.#sealing.sendKeepalive(peer, now);
  }

  /** A path to the peer has come to life: a waiting handshake does not sit out its timer (see handshaker.ts). */
  kick(handle: PeerHandle, now: number): boolean {
    const peer = own(handle);
    return !peer.isRemoved && this.#handshaker.kick(peer, now);
  }

  /** When it wants to be ticked, or undefined. May be early: then a tick does nothing but find the next moment. */
  nextDeadline(): number | undefined {
    return this.#alarm.earliestMs === Number.POSITIVE_INFINITY ? undefined : this.#alarm.earliestMs;
  }

  tick(now: number): void {
    if (now < this.#alarm.earliestMs) return;
    this.#alarm.earliestMs = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values()) {
      let timer = peer.timers.takeExpired(now);
      while (timer !== undefined) {
        this.#expired(peer, timer, now);
        timer = peer.timers.takeExpired(now);
      }
      this.#alarm.note(peer.timers.nextDeadlineMs);
    }
  }

  #dispatch(memory: Uint8Array, at: number, length: number, from: P, now: number): DropReason | undefined {
    if (length >= WireGuardTransport.lengthMin && readU32(memory, at) === WireGuardType.transport) {
      return this.#opening.add(at, length, from, now);
    }
    // What was opened so far happened before this.
    this.#opening.finish(from, now);
    const datagram = memory.subarray(at, at + length);
    switch (wireGuardKind(datagram)) {
      case "initiation":
        return this.#handshaker.receiveInitiation(datagram, from, now);
      case "response":
        return this.#handshaker.receiveResponse(datagram, from, now);
      case "cookieReply":
        return this.#handshaker.receiveCookieReply(datagram, now);
      default:
        return DropReason.malformed;
    }
  }

  #expired(peer: Peer, timer: Timer, now: number): void {
    switch (timer) {
      case Timer.retransmitHandshake:
        this.#handshaker.retransmit(peer, now);
        break;
      case Timer.sendKeepalive:
        this.#sealing.sendKeepalive(peer, now);
        peer.timers.keepaliveSent(now);
        break;
      case Timer.newHandshake:
        this.#handshaker.request(peer, now);
        break;
      case Timer.zeroKeyMaterial:
        this.#zero(peer);
        break;
      case Timer.persistentKeepalive:
        this.#sealing.sendKeepalive(peer, now);
        break;
    }
  }

  #zero(peer: Peer): void {
    this.#handshaker.forget(peer);
    peer.keypairs.clear();
    for (const _ of peer.staged) this.#context.drop(DropReason.handshakeTimedOut);
    peer.staged = [];
  }
}

function own(handle: PeerHandle): Peer {
  invariant(handle instanceof Peer, "peer handles are made by addPeer");
  return handle;
}

function noDrops(): Record<DropReason, number> {
  return Object.fromEntries(Object.values(DropReason).map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
}
