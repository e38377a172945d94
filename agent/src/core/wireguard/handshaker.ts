/**
 * Handshakes as they run: who may begin one when, what an initiation, a response or a cookie reply changes. The
 * messages' insides are noise.ts and cookie.ts; nothing is committed before a message has proved itself.
 *
 * Kicks. WireGuard repeats an unanswered initiation after 5 s, which is long when it was lost only because no path was
 * alive yet. When the layer above learns that one has come to life it kicks, and the very same datagram goes out
 * again. That is safe: to the responder it is what a network may always do, duplicate a packet; if the first one
 * did arrive, the second is refused as a replay and the response under way stays good, whatever the round trip.
 * Only when the initiation is older than a second (so that its response can hardly be under way), or a cookie has come
 * for it, a kick makes a new one, far more than the 20 ms apart that responders demand. After any kick
 * new initiations follow one another in one second rather than five, for a few seconds: a live path may lose packets.
 */
import {
  keyToText,
  WireGuardInitiation,
  WireGuardResponse,
  wireGuardReceiver,
  wireGuardSender,
} from "@burrow/protocol";
import { OnePacket } from "../packets.ts";
import {
  HURRIED_FOR_MS,
  INITIATION_SPACING_MS,
  KICK_REPEATS_MAX,
  KICK_REPEATS_WITHIN_MS,
  REKEY_TIMEOUT_JITTER_MS,
} from "./constants.ts";
import { type EngineContext, transmitTo } from "./context.ts";
import { CookieIssuer } from "./cookie.ts";
import { Keypair, type KeypairDescription } from "./keypairs.ts";
import { LoadDetector, type LoadLimits, SourceLimiter } from "./load.ts";
import {
  authenticateInitiation,
  openInitiation,
  openResponse,
  type SessionKeys,
  writeInitiation,
  writeResponse,
} from "./noise.ts";
import type { Peer } from "./peer.ts";
import { KEY_LENGTH } from "./primitives.ts";
import { DropReason } from "./sink.ts";
import { isLater, TIMESTAMP_STEP_MS, tai64n } from "./tai64n.ts";
import { Timer } from "./timers.ts";

export interface HandshakerOptions<P> {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly loadLimits: LoadLimits;
  /** Bytes that name the address behind a path, for cookies: the same as long as the address is. */
  readonly cookieSource: (from: P) => Uint8Array;
}

export class Handshaker<P> {
  readonly #context: EngineContext<P>;
  readonly #options: HandshakerOptions<P>;
  readonly #issuer: CookieIssuer;
  readonly #load: LoadDetector;
  readonly #sources = new SourceLimiter();

  constructor(context: EngineContext<P>, options: HandshakerOptions<P>) {
    this.#context = context;
    this.#options = options;
    this.#issuer = new CookieIssuer(context.primitives, context.random, context.local.publicKey);
    this.#load = new LoadDetector(options.loadLimits);
  }

  /** Traffic wants a session: begin a handshake, or see to it that one begins when rekeyTimeout allows it. */
  request(peer: Peer, now: number): void {
    peer.attemptStartedMs = now;
    const waitMs = peer.lastHandshakeSentMs + this.#context.timings.rekeyTimeoutMs - now;
    if (waitMs <= 0) this.#initiate(peer, now);
    else if (!peer.timers.isPending(Timer.retransmitHandshake)) peer.timers.handshakeInitiated(now, waitMs);
  }

  /** Begins a handshake now, even if there is a session; refused within INITIATION_SPACING_MS of the last. */
  force(peer: Peer, now: number): boolean {
    if (now - peer.lastHandshakeSentMs < INITIATION_SPACING_MS) return false;
    peer.attemptStartedMs = now;
    return this.#initiate(peer, now);
  }

  /** A path has come to life: see above. True when something was sent. */
  kick(peer: Peer, now: number): boolean {
    peer.hurriedUntilMs = now + HURRIED_FOR_MS;
    const outstanding = peer.outstanding;
    if (outstanding === undefined) {
      // Nothing waits, or we answered the peer a moment ago and its first packet may be under way.
      if (!peer.timers.isPending(Timer.retransmitHandshake)) return false;
      if (now - peer.lastHandshakeSentMs >= KICK_REPEATS_WITHIN_MS) return this.force(peer, now);
      peer.timers.handshakeInitiated(now, KICK_REPEATS_WITHIN_MS);
      return false;
    }
    const isStale = now - outstanding.sentMs >= KICK_REPEATS_WITHIN_MS || outstanding.needsMac2;
    if (isStale) {
      if (now - outstanding.sentMs < INITIATION_SPACING_MS || !this.#initiate(peer, now)) return false;
    } else {
      if (outstanding.repeats >= KICK_REPEATS_MAX) return false;
      if (now - outstanding.repeatedMs < INITIATION_SPACING_MS) return false;
      outstanding.repeats += 1;
      outstanding.repeatedMs = now;
      transmitTo(this.#context, peer, outstanding.datagram);
    }
    peer.timers.handshakeInitiated(now, KICK_REPEATS_WITHIN_MS);
    return true;
  }

  /** retransmitHandshake has come. */
  retransmit(peer: Peer, now: number): void {
    if (now - peer.attemptStartedMs < this.#context.timings.rekeyAttemptMs) {
      this.#initiate(peer, now);
      return;
    }
    this.forget(peer);
    peer.statistics.unansweredSinceMs = undefined;
    for (const _ of peer.staged) this.#context.drop(DropReason.handshakeTimedOut);
    peer.staged = [];
    peer.timers.handshakeGivenUp(now);
  }

  /** Wipes the outstanding initiation. */
  forget(peer: Peer): void {
    if (peer.outstanding === undefined) return;
    this.#context.indices.delete(peer.outstanding.localIndex);
    peer.outstanding.noise.chainKey.fill(0);
    peer.outstanding.noise.ephemeralPrivate.fill(0);
    peer.outstanding = undefined;
  }

  receiveInitiation(message: Uint8Array, from: P, now: number): DropReason | undefined {
    const { primitives, local, sink } = this.#context;
    const refusal = this.#checkMacs(message, from, now);
    if (refusal !== undefined) return refusal;

    const opened = openInitiation(primitives, local, message);
    if (opened === undefined) return DropReason.forged;
    const peer = this.#options.peers.get(keyToText(opened.initiatorKey));
    if (peer === undefined) return DropReason.unknownPeer;
    if (peer.staticStatic === undefined) return DropReason.lowOrderKey;
    const initiation = authenticateInitiation(primitives, opened, peer.staticStatic, message);
    if (initiation === undefined) return DropReason.forged;
    if (!isLater(initiation.timestamp, peer.lastTimestamp)) {
      return DropReason.replayedInitiation;
    }
    if (now - peer.lastInitiationTakenMs < INITIATION_SPACING_MS) {
      return DropReason.initiationFlood;
    }

    const fresh = { ephemeralPrivate: this.#draw(KEY_LENGTH), sender: this.#context.indices.draw() };
    const out = new Uint8Array(WireGuardResponse.length);
    const keys = writeResponse(primitives, initiation, message, peer.presharedKey, fresh, out);
    fresh.ephemeralPrivate.fill(0);
    if (keys === undefined) return DropReason.lowOrderKey;

    peer.lastTimestamp.set(initiation.timestamp);
    peer.lastInitiationTakenMs = now;
    peer.lastHandshakeSentMs = now;
    peer.statistics.rxBytes += message.length;
    peer.timers.anyAuthenticatedPacketReceived();
    peer.timers.anyAuthenticatedPacketSent();
    peer.timers.anyAuthenticatedPacketTraversal(now);
    peer.cookie.writeMacs(out, now);
    const keypair = this.#derive(peer, keys, {
      localIndex: fresh.sender,
      remoteIndex: wireGuardSender(message),
      isInitiator: false,
      createdMs: now,
      sendsFromMs: now,
    });
    peer.keypairs.addAsResponder(keypair);
    sink.authenticated(peer, from, "initiation", now);
    transmitTo(this.#context, peer, out, from);
    this.#announce(peer, keypair, now);
    return undefined;
  }

  receiveResponse(message: Uint8Array, from: P, now: number): DropReason | undefined {
    const { primitives, local, sink, indices } = this.#context;
    const peer = indices.get(wireGuardReceiver(message))?.peer;
    const outstanding = peer?.outstanding;
    if (peer === undefined || outstanding?.localIndex !== wireGuardReceiver(message)) {
      return DropReason.unknownIndex;
    }
    const { rekeyTimeoutMs } = this.#context.timings;
    if (now - outstanding.sentMs > rekeyTimeoutMs + REKEY_TIMEOUT_JITTER_MS) {
      // By now another initiation would have replaced it, had a session not come about otherwise.
      this.forget(peer);
      return DropReason.unknownIndex;
    }
    const refusal = this.#checkMacs(message, from, now);
    if (refusal !== undefined) return refusal;
    const keys = openResponse(primitives, local, outstanding.noise, peer.presharedKey, message);
    if (keys === undefined) return DropReason.forged;

    this.forget(peer);
    peer.statistics.rxBytes += message.length;
    peer.timers.anyAuthenticatedPacketReceived();
    peer.timers.anyAuthenticatedPacketTraversal(now);
    const keypair = this.#derive(peer, keys, {
      localIndex: outstanding.localIndex,
      remoteIndex: wireGuardSender(message),
      isInitiator: true,
      createdMs: now,
      sendsFromMs: outstanding.sentMs,
    });
    peer.keypairs.addAsInitiator(keypair);
    this.complete(peer, now);
    sink.authenticated(peer, from, "response", now);
    this.#announce(peer, keypair, now);
    this.#context.sessionReady(peer, now, true);
    return undefined;
  }

  receiveCookieReply(message: Uint8Array, now: number): DropReason | undefined {
    const peer = this.#context.indices.get(wireGuardReceiver(message))?.peer;
    if (peer === undefined) return DropReason.unknownIndex;
    if (!peer.cookie.accept(message, now)) return DropReason.badCookie;
    // The paper has it wait for the next regular initiation (§5.4.7), so nothing is sent here.
    peer.statistics.rxBytes += message.length;
    if (peer.outstanding !== undefined) peer.outstanding.needsMac2 = true;
    return undefined;
  }

  /** Both ends are known to have the session. */
  complete(peer: Peer, now: number): void {
    peer.timers.handshakeComplete();
    peer.statistics.lastHandshakeMs = now;
    peer.statistics.unansweredSinceMs = undefined;
  }

  /** MAC1 always, and under load MAC2 and the source's share. Answers with a cookie where one is missing. */
  #checkMacs(message: Uint8Array, from: P, now: number): DropReason | undefined {
    if (!this.#issuer.verifyMac1(message)) return DropReason.badMac1;
    if (!this.#load.countHandshake(now)) return undefined;
    const source = this.#options.cookieSource(from);
    if (!this.#issuer.verifyMac2(message, source, now)) {
      const reply = new OnePacket(this.#issuer.reply(message, source, now));
      this.#context.sink.transmit(undefined, reply, from);
      return DropReason.cookieDemanded;
    }
    return this.#sources.allow(source, now) ? undefined : DropReason.sourceLimit;
  }

  #initiate(peer: Peer, now: number): boolean {
    const { primitives, local, indices } = this.#context;
    const sender = indices.draw();
    const datagram = new Uint8Array(WireGuardInitiation.length);
    const fresh = { ephemeralPrivate: this.#draw(KEY_LENGTH), sender, timestamp: this.#timestamp(peer) };
    const { publicKey, staticStatic } = peer;
    const noise =
      staticStatic && writeInitiation(primitives, local, { publicKey, staticStatic }, fresh, datagram);
    if (noise === undefined) {
      this.#context.drop(DropReason.lowOrderKey);
      return false;
    }
    peer.cookie.writeMacs(datagram, now);

    this.forget(peer);
    indices.set(sender, { peer, keypair: undefined });
    const repeatedMs = Number.NEGATIVE_INFINITY;
    peer.outstanding = {
      noise,
      localIndex: sender,
      datagram,
      sentMs: now,
      repeats: 0,
      repeatedMs,
      needsMac2: false,
    };
    peer.lastHandshakeSentMs = now;
    peer.statistics.unansweredSinceMs ??= now;
    peer.timers.anyAuthenticatedPacketSent();
    peer.timers.anyAuthenticatedPacketTraversal(now);
    const isHurried = now < peer.hurriedUntilMs;
    peer.timers.handshakeInitiated(now, isHurried ? KICK_REPEATS_WITHIN_MS : undefined);
    transmitTo(this.#context, peer, datagram);
    return true;
  }

  /** Later than every timestamp sent to this peer before, whatever happened to the wall clock. */
  #timestamp(peer: Peer): Uint8Array {
    const last = peer.lastTimestampSentUnixMs;
    const unixMs = Math.max(this.#context.wallClock(), last === 0 ? 0 : last + Math.ceil(TIMESTAMP_STEP_MS));
    peer.lastTimestampSentUnixMs = unixMs;
    return tai64n(unixMs);
  }

  #derive(peer: Peer, keys: SessionKeys, about: KeypairDescription): Keypair {
    const keypair = new Keypair(this.#context.primitives, keys, about);
    this.#context.indices.set(about.localIndex, { peer, keypair });
    peer.timers.sessionDerived(about.createdMs);
    return keypair;
  }

  #announce(peer: Peer, keypair: Keypair, now: number): void {
    const { localIndex, remoteIndex } = keypair;
    const role = keypair.isInitiator ? "initiator" : "responder";
    this.#context.sink.established(peer, { localIndex, remoteIndex, role }, now);
  }

  #draw(length: number): Uint8Array {
    const out = new Uint8Array(length);
    this.#context.random(out);
    return out;
  }
}
