/**
 * Transport data on its way out (WireGuard §5.4.6): IP packets find the peer that owns their destination and are
 * sealed where they lie, those of one peer in a row as one run. What a packet costs is its AEAD; timers, statistics
 * and the choice of a path are for the run.
 */
import { WireGuardTransport, WireGuardType, wireGuardPaddedLength } from "@burrow/protocol";
import { Ecn, ecnOf } from "../ecn.ts";
import { PacketRun, type Packets, RoomyCopy } from "../packets.ts";
import type { AllowedIps } from "./allowed-ips.ts";
import { writeU32, writeU64 } from "./bytes.ts";
import { PACKET_BYTES_MAX, REKEY_AFTER_MESSAGES, STAGED_PACKETS_MAX } from "./constants.ts";
import type { EngineContext } from "./context.ts";
import { IPV4_DESTINATION, IPV6_DESTINATION, ipVersion } from "./ip.ts";
import type { Keypair } from "./keypairs.ts";
import type { Peer } from "./peer.ts";
import { TAG_LENGTH } from "./primitives.ts";
import { DropReason } from "./sink.ts";

const NOTHING = new Uint8Array(0);

export interface SealingOptions {
  readonly allowedIps: AllowedIps<Peer>;
  /** The tunnel's MTU: padding does not go past it. */
  readonly mtuBytes: number;
}

export class Sealing<P> {
  readonly #context: EngineContext<P>;
  readonly #options: SealingOptions;
  readonly #copy = new RoomyCopy(PACKET_BYTES_MAX);
  /** The datagrams of the present run, and whose they are. */
  readonly #run = new PacketRun();
  #runPackets = 0;

  constructor(context: EngineContext<P>, options: SealingOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** IP packets with room around them (SEAL_HEADROOM, SEAL_TAILROOM). Drops are counted here. */
  sendAll(packets: Packets, now: number): void {
    const { memory, count } = packets;
    const run = this.#run.begin(memory);
    let peer: Peer | undefined;
    let keypair: Keypair | undefined;
    for (let i = 0; i < count; i++) {
      const at = packets.offset(i);
      const length = packets.length(i);
      const owner = this.#ownerOf(memory, at, length);
      if (typeof owner === "string") {
        this.#context.drop(owner);
        continue;
      }
      const ecn = ecnOf(memory, at);
      if (owner !== peer || ecn !== run.ecn || run.isFull) {
        if (peer !== undefined && keypair !== undefined) this.#finish(peer, keypair, now);
        run.begin(memory, ecn);
        peer = owner;
        keypair = this.#sendable(owner, now);
      }
      if (keypair === undefined) this.#stage(owner, memory.slice(at, at + length), now);
      else this.#seal(keypair, memory, at, length);
    }
    if (peer !== undefined && keypair !== undefined) this.#finish(peer, keypair, now);
  }

  /** Sends an empty packet, or sees to it that there will be a session. */
  sendKeepalive(peer: Peer, now: number): void {
    const keypair = this.#sendable(peer, now);
    if (keypair !== undefined) this.#sealAlone(peer, keypair, NOTHING, now);
    else this.#context.requestHandshake(peer, now);
  }

  /** Sends what waited for a session. False when nothing did. */
  flush(peer: Peer, now: number): boolean {
    const waiting = peer.staged;
    peer.staged = [];
    for (const packet of waiting) this.#sendTo(peer, packet, now);
    return waiting.length > 0;
  }

  #sendTo(peer: Peer, packet: Uint8Array, now: number): void {
    const keypair = this.#sendable(peer, now);
    if (keypair !== undefined) this.#sealAlone(peer, keypair, packet, now);
    else this.#stage(peer, packet.slice(), now);
  }

  /** Cryptokey routing (WireGuard §2). */
  #ownerOf(memory: Uint8Array, at: number, length: number): Peer | DropReason {
    const version = ipVersion(memory, at, length);
    if (version === 0) return DropReason.notIp;
    const table = this.#options.allowedIps;
    const owner =
      version === 4 ? table.find4(memory, at + IPV4_DESTINATION) : table.find6(memory, at + IPV6_DESTINATION);
    if (owner === undefined) return DropReason.noRoute;
    return length > PACKET_BYTES_MAX ? DropReason.tooLarge : owner;
  }

  /** Keeps a packet until there is a session. */
  #stage(peer: Peer, copy: Uint8Array, now: number): void {
    if (peer.staged.length >= STAGED_PACKETS_MAX) {
      peer.staged.shift();
      this.#context.drop(DropReason.queueFull);
    }
    peer.staged.push(copy);
    this.#context.requestHandshake(peer, now);
  }

  #sendable(peer: Peer, now: number): Keypair | undefined {
    const keypair = peer.keypairs.current;
    return keypair?.canSend(now, this.#context.timings.rejectAfterMs) ? keypair : undefined;
  }

  #sealAlone(peer: Peer, keypair: Keypair, packet: Uint8Array, now: number): void {
    const { memory } = this.#copy.of(packet);
    this.#run.begin(memory, packet.length > 0 ? ecnOf(packet, 0) : Ecn.notCapable);
    this.#seal(keypair, memory, this.#copy.offset(), packet.length);
    this.#finish(peer, keypair, now);
  }

  #seal(keypair: Keypair, memory: Uint8Array, at: number, length: number): void {
    const padded = wireGuardPaddedLength(length, this.#options.mtuBytes);
    const counter = keypair.sendCounter++;
    const start = at - WireGuardTransport.content;
    writeU32(memory, start, WireGuardType.transport);
    writeU32(memory, start + WireGuardTransport.receiver, keypair.remoteIndex);
    writeU64(memory, start + WireGuardTransport.counter, counter);
    if (padded > length) memory.fill(0, at + length, at + padded);
    keypair.sendKey.seal(counter, memory, at, padded);
    this.#run.push(start, WireGuardTransport.content + padded + TAG_LENGTH);
    if (length > 0) this.#runPackets++;
  }

  /** Hands the run to the layer above: what every packet sent brings about, once for all of them. */
  #finish(peer: Peer, keypair: Keypair, now: number): void {
    const run = this.#run;
    if (run.count === 0) return;
    const { timers } = peer;
    timers.anyAuthenticatedPacketSent();
    timers.anyAuthenticatedPacketTraversal(now);
    if (this.#runPackets > 0) timers.dataSent(now);
    this.#runPackets = 0;
    for (let i = 0; i < run.count; i++) peer.statistics.txBytes += run.length(i);
    this.#context.sink.transmit(peer, run, undefined);
    this.#renew(peer, keypair, now);
  }

  /** The initiator renews a session that has grown old, while it still works. */
  #renew(peer: Peer, keypair: Keypair, now: number): void {
    const isOld = keypair.isInitiator && now - keypair.sendsFromMs >= this.#context.timings.rekeyAfterMs;
    if (isOld || keypair.sendCounter > REKEY_AFTER_MESSAGES) this.#context.requestHandshake(peer, now);
  }
}
