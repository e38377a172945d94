/**
 * Transport data on its way in (WireGuard §5.4.6): datagrams are opened where they lie, and those of one session in a
 * row are one run, for which the layer above hears once that the peer is there and is handed what it may deliver.
 */
import { WireGuardTransport } from "@burrow/protocol";
import { combineEcn, Ecn } from "../ecn.ts";
import { PacketRun } from "../packets.ts";
import type { AllowedIps } from "./allowed-ips.ts";
import { readU32, readU64 } from "./bytes.ts";
import { REJECT_AFTER_MESSAGES } from "./constants.ts";
import type { EngineContext } from "./context.ts";
import type { IndexEntry } from "./index-table.ts";
import { IPV4_SOURCE, IPV6_SOURCE, ipLength, ipVersion } from "./ip.ts";
import type { Keypair } from "./keypairs.ts";
import type { Peer } from "./peer.ts";
import { TAG_LENGTH } from "./primitives.ts";
import { DropReason } from "./sink.ts";

export interface OpeningOptions {
  readonly allowedIps: AllowedIps<Peer>;
  /** A session that was responded to carries our packets from now on. */
  readonly confirmed: (peer: Peer, now: number) => void;
}

export class Opening<P> {
  readonly #context: EngineContext<P>;
  readonly #options: OpeningOptions;
  /** What the present run delivers, and whose it is. */
  readonly #run = new PacketRun();
  #ecn: number = Ecn.notCapable;
  #index = -1;
  #entry: IndexEntry | undefined;
  #bytes = 0;
  #hasData = false;
  #isOpen = false;

  constructor(context: EngineContext<P>, options: OpeningOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Begins with datagrams in `memory` that came with this ECN field; each is handed to `add`, and `finish` ends it. */
  begin(memory: Uint8Array, ecn: number): void {
    this.#run.begin(memory);
    this.#ecn = ecn;
  }

  /** Opens transport data where it lies. Why it went no further, if it did not. */
  add(at: number, length: number, from: P, now: number): DropReason | undefined {
    const { memory } = this.#run;
    const index = readU32(memory, at + WireGuardTransport.receiver);
    if (index !== this.#index || this.#run.isFull) this.#turnTo(index, from, now);
    const keypair = this.#entry?.keypair;
    if (this.#entry === undefined || keypair === undefined) return DropReason.unknownIndex;
    if (now - keypair.createdMs >= this.#context.timings.rejectAfterMs) return DropReason.expiredKey;
    const counter = readU64(memory, at + WireGuardTransport.counter);
    if (counter >= REJECT_AFTER_MESSAGES) return DropReason.counterLimit;
    if (!keypair.replay.isFresh(counter)) return DropReason.replayed;
    const content = at + WireGuardTransport.content;
    const sealedLength = length - WireGuardTransport.content;
    if (!keypair.receiveKey.open(counter, memory, content, sealedLength, memory, content)) {
      return DropReason.forged;
    }
    keypair.replay.accept(counter);
    keypair.isHeard = true;
    this.#isOpen = true;
    this.#bytes += length;
    const packetLength = sealedLength - TAG_LENGTH;
    if (packetLength === 0) return undefined;
    this.#hasData = true;
    return this.#take(this.#entry.peer, content, packetLength);
  }

  /** Tells the layer above of the run, hands over what it delivers, and forgets whose it was: keys may go meanwhile. */
  finish(from: P, now: number): void {
    const entry = this.#entry;
    const keypair = entry?.keypair;
    this.#index = -1;
    this.#entry = undefined;
    if (!this.#isOpen || entry === undefined || keypair === undefined) return;
    const { peer } = entry;
    const run = this.#run;
    const [bytes, hasData] = [this.#bytes, this.#hasData];
    this.#isOpen = false;
    this.#hasData = false;
    this.#bytes = 0;
    this.#received(peer, keypair, bytes, from, !hasData, now);
    if (run.count > 0) this.#context.sink.deliver(peer, run);
    run.begin(run.memory);
  }

  #turnTo(index: number, from: P, now: number): void {
    this.finish(from, now);
    this.#index = index;
    this.#entry = this.#context.indices.get(index);
  }

  /** Cryptokey routing, the other way round: a peer may only speak for its own addresses. */
  #take(peer: Peer, at: number, length: number): DropReason | undefined {
    const { memory } = this.#run;
    const version = ipVersion(memory, at, length);
    const packetLength = version === 0 ? 0 : ipLength(memory, at, version, length);
    if (packetLength === 0) return DropReason.notIp;
    const { allowedIps } = this.#options;
    const owner =
      version === 4 ? allowedIps.find4(memory, at + IPV4_SOURCE) : allowedIps.find6(memory, at + IPV6_SOURCE);
    if (owner !== peer) return DropReason.sourceNotAllowed;
    if (this.#ecn !== Ecn.notCapable) combineEcn(memory, at, this.#ecn);
    this.#run.push(at, packetLength);
    return undefined;
  }

  /** What genuine packets bring about, before their contents are handed on. */
  #received(peer: Peer, keypair: Keypair, bytes: number, from: P, isKeepalive: boolean, now: number): void {
    const { timers } = peer;
    peer.statistics.rxBytes += bytes;
    timers.anyAuthenticatedPacketReceived();
    timers.anyAuthenticatedPacketTraversal(now);
    if (!isKeepalive) timers.dataReceived(now);
    const isConfirmed = peer.keypairs.confirm(keypair);
    this.#context.sink.authenticated(peer, from, isKeepalive ? "keepalive" : "data", now);
    if (isConfirmed) this.#options.confirmed(peer, now);
    this.#renew(peer, now);
  }

  /** An initiator that only receives renews too, once, when the session would else end before a keepalive is due. */
  #renew(peer: Peer, now: number): void {
    const keypair = peer.keypairs.current;
    if (keypair === undefined || !keypair.isInitiator || peer.timers.sentLastMinuteHandshake) return;
    const { rejectAfterMs, keepaliveTimeoutMs, rekeyTimeoutMs } = this.#context.timings;
    if (now - keypair.createdMs < rejectAfterMs - keepaliveTimeoutMs - rekeyTimeoutMs) return;
    peer.timers.sentLastMinuteHandshake = true;
    this.#context.requestHandshake(peer, now);
  }
}
