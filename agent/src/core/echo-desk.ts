/** Picks the echoes that are ours out of what a peer sends: answers to `burrow ping`, and pings that no device answers. */
import type { AgentId } from "@burrow/protocol";
import type { EchoBook } from "./echo.ts";
import type { EchoReply } from "./events.ts";
import { echoReply, isPerhapsEcho, parseEcho } from "./icmp.ts";
import { bytesOf, PacketRun, type Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";

export interface EchoDeskParts {
  readonly book: EchoBook;
  /** No device answers pings: the agent does. */
  readonly answersEchoes: boolean;
  /** By which path the peer was last heard. */
  heardVia(peer: AgentId): PathTarget | undefined;
  ownAddress(): string | undefined;
  /** The answer to a ping for us. */
  answer(packet: Uint8Array, now: number): void;
  replied(peer: AgentId, reply: EchoReply): void;
}

export class EchoDesk {
  readonly #parts: EchoDeskParts;
  readonly #rest = new PacketRun();

  constructor(parts: EchoDeskParts) {
    this.#parts = parts;
  }

  /** What is left for the device; good until the next call. */
  withoutOurs(peer: AgentId, packets: Packets, now: number): Packets {
    const rest = this.#rest.begin(packets.memory);
    for (let i = 0; i < packets.count; i++) {
      const at = packets.offset(i);
      const isOurs = isPerhapsEcho(packets.memory, at) && this.#takes(peer, bytesOf(packets, i), now);
      if (!isOurs) rest.push(at, packets.length(i));
    }
    return rest;
  }

  #takes(peer: AgentId, packet: Uint8Array, now: number): boolean {
    const { book, answersEchoes, heardVia, ownAddress, answer, replied } = this.#parts;
    const echo = parseEcho(packet);
    if (echo?.kind === "reply") {
      const via = heardVia(peer);
      const reply = via === undefined ? undefined : book.replied(peer, echo, via, now);
      if (reply !== undefined) replied(peer, reply);
      return reply !== undefined;
    }
    if (echo === undefined || !answersEchoes || echo.destination !== ownAddress()) return false;
    answer(echoReply(packet), now);
    return true;
  }
}
