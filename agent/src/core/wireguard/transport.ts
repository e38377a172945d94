/**
 * Transport data (WireGuard §5.4.6): packets under a session, both ways. The hot path; it works in two buffers made
 * once, and a packet costs no allocation that the primitives do not make.
 */
import { WireGuardTransport, WireGuardType, wireGuardCounter, wireGuardReceiver } from "@burrow/protocol";
import type { AllowedIps } from "./allowed-ips.ts";
import { Scratch, writeU32, writeU64 } from "./bytes.ts";
import {
  DATAGRAM_BYTES_MAX,
  PACKET_BYTES_MAX,
  PADDING_BYTES,
  REJECT_AFTER_MESSAGES,
  REKEY_AFTER_MESSAGES,
  STAGED_PACKETS_MAX,
} from "./constants.ts";
import { type EngineContext, transmitTo } from "./context.ts";
import { IPV4_SOURCE, IPV6_SOURCE, ipLength, ipVersion } from "./ip.ts";
import type { Keypair } from "./keypairs.ts";
import type { Peer } from "./peer.ts";
import { TAG_LENGTH } from "./primitives.ts";
import { DropReason } from "./sink.ts";

const NOTHING = new Uint8Array(0);

export interface TransportOptions {
  readonly allowedIps: AllowedIps<Peer>;
  /** The tunnel's MTU: padding does not go past it. */
  readonly mtuBytes: number;
  /** A session that was responded to carries our packets from now on. */
  readonly confirmed: (peer: Peer, now: number) => void;
}

export class Transport<P> {
  readonly #context: EngineContext<P>;
  readonly #options: TransportOptions;
  readonly #out = new Scratch(DATAGRAM_BYTES_MAX);
  readonly #in = new Scratch(DATAGRAM_BYTES_MAX);

  constructor(context: EngineContext<P>, options: TransportOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Sends an IP packet, or keeps a copy until there is a session. */
  send(peer: Peer, packet: Uint8Array, now: number): DropReason | undefined {
    if (packet.length > PACKET_BYTES_MAX) return DropReason.tooLarge;
    const keypair = this.#sendable(peer, now);
    if (keypair !== undefined) {
      this.#seal(peer, keypair, packet, now);
      return undefined;
    }
    if (peer.staged.length >= STAGED_PACKETS_MAX) {
      peer.staged.shift();
      this.#context.drop(DropReason.queueFull);
    }
    peer.staged.push(packet.slice());
    this.#context.requestHandshake(peer, now);
    return undefined;
  }

  /** Sends an empty packet, or sees to it that there will be a session. */
  sendKeepalive(peer: Peer, now: number): void {
    const keypair = this.#sendable(peer, now);
    if (keypair !== undefined) this.#seal(peer, keypair, NOTHING, now);
    else this.#context.requestHandshake(peer, now);
  }

  /** Sends what waited for a session. False when nothing did. */
  flush(peer: Peer, now: number): boolean {
    const waiting = peer.staged;
    peer.staged = [];
    for (const packet of waiting) this.send(peer, packet, now);
    return waiting.length > 0;
  }

  receive(datagram: Uint8Array, from: P, now: number): DropReason | undefined {
    const entry = this.#context.indices.get(wireGuardReceiver(datagram));
    const keypair = entry?.keypair;
    if (entry === undefined || keypair === undefined) return DropReason.unknownIndex;
    const { peer } = entry;
    if (now - keypair.createdMs >= this.#context.timings.rejectAfterMs) {
      return DropReason.expiredKey;
    }
    const counter = wireGuardCounter(datagram);
    if (counter >= REJECT_AFTER_MESSAGES) return DropReason.counterLimit;
    if (!keypair.replay.isFresh(counter)) return DropReason.replayed;
    const sealedLength = datagram.length - WireGuardTransport.content;
    const length = sealedLength - TAG_LENGTH;
    if (length > this.#in.bytes.length) return DropReason.tooLarge;
    const { receiveKey } = keypair;
    if (!receiveKey.open(counter, datagram, WireGuardTransport.content, sealedLength, this.#in.bytes, 0)) {
      return DropReason.forged;
    }
    keypair.replay.accept(counter);

    this.#received(peer, keypair, datagram.length, from, length === 0, now);
    return length > 0 ? this.#deliver(peer, length) : undefined;
  }

  /** What every genuine packet brings about, before its contents are looked at. */
  #received(peer: Peer, keypair: Keypair, bytes: number, from: P, isKeepalive: boolean, now: number): void {
    const { timers } = peer;
    peer.statistics.rxBytes += bytes;
    timers.anyAuthenticatedPacketReceived();
    timers.anyAuthenticatedPacketTraversal(now);
    if (!isKeepalive) timers.dataReceived(now);
    const isConfirmed = peer.keypairs.confirm(keypair);
    this.#context.sink.authenticated(peer, from, isKeepalive ? "keepalive" : "data", now);
    if (isConfirmed) this.#options.confirmed(peer, now);
    this.#renewReceiving(peer, now);
  }

  /** Cryptokey routing, the other way round: a peer may only speak for its own addresses. */
  #deliver(peer: Peer, length: number): DropReason | undefined {
    const bytes = this.#in.bytes;
    const version = ipVersion(bytes, length);
    const packetLength = version === 0 ? 0 : ipLength(bytes, version, length);
    if (packetLength === 0) return DropReason.notIp;
    const { allowedIps } = this.#options;
    const owner = version === 4 ? allowedIps.find4(bytes, IPV4_SOURCE) : allowedIps.find6(bytes, IPV6_SOURCE);
    if (owner !== peer) return DropReason.sourceNotAllowed;
    this.#context.sink.deliver(peer, this.#in.view(packetLength));
    return undefined;
  }

  #sendable(peer: Peer, now: number): Keypair | undefined {
    const keypair = peer.keypairs.current;
    return keypair?.canSend(now, this.#context.timings.rejectAfterMs) ? keypair : undefined;
  }

  #seal(peer: Peer, keypair: Keypair, packet: Uint8Array, now: number): void {
    const at = WireGuardTransport;
    const { bytes } = this.#out;
    const length = paddedLength(packet.length, this.#options.mtuBytes);
    const counter = keypair.sendCounter++;
    writeU32(bytes, 0, WireGuardType.transport);
    writeU32(bytes, at.receiver, keypair.remoteIndex);
    writeU64(bytes, at.counter, counter);
    bytes.set(packet, at.content);
    if (length > packet.length) bytes.fill(0, at.content + packet.length, at.content + length);
    keypair.sendKey.seal(counter, bytes, at.content, length);

    const { timers } = peer;
    timers.anyAuthenticatedPacketSent();
    timers.anyAuthenticatedPacketTraversal(now);
    if (packet.length > 0) timers.dataSent(now);
    transmitTo(this.#context, peer, this.#out.view(at.content + length + TAG_LENGTH));
    this.#renewSending(peer, keypair, now);
  }

  /** The initiator renews a session that has grown old, while it still works. */
  #renewSending(peer: Peer, keypair: Keypair, now: number): void {
    const isOld = keypair.isInitiator && now - keypair.sendsFromMs >= this.#context.timings.rekeyAfterMs;
    if (isOld || keypair.sendCounter > REKEY_AFTER_MESSAGES) this.#context.requestHandshake(peer, now);
  }

  /** An initiator that only receives renews too, once, when the session would else end before a keepalive is due. */
  #renewReceiving(peer: Peer, now: number): void {
    const keypair = peer.keypairs.current;
    if (keypair === undefined || !keypair.isInitiator || peer.timers.sentLastMinuteHandshake) return;
    const { rejectAfterMs, keepaliveTimeoutMs, rekeyTimeoutMs } = this.#context.timings;
    if (now - keypair.createdMs < rejectAfterMs - keepaliveTimeoutMs - rekeyTimeoutMs) return;
    peer.timers.sentLastMinuteHandshake = true;
    this.#context.requestHandshake(peer, now);
  }
}

/** Whole units of 16 bytes, but not past the MTU, where the packet would no longer fit the path. */
function paddedLength(length: number, mtuBytes: number): number {
  const whole = Math.ceil(length / PADDING_BYTES) * PADDING_BYTES;
  return Math.min(whole, Math.max(length, mtuBytes));
}
