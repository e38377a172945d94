/** `burrow ping` from the inside: sends echoes through the tunnel, or bare probes where the tunnel is not ours. */
import type { AgentId, Transaction } from "@burrow/protocol";
import type { EchoReply } from "./events.ts";
import { type Echo, echoRequest } from "./icmp.ts";
import type { PathTarget } from "./paths/path.ts";

/** Echoes without an answer that are remembered; the oldest go first. */
const OUTSTANDING_MAX = 4096;

interface Outstanding {
  readonly peer: AgentId;
  readonly identifier: number;
  readonly sequence: number;
  readonly sentAt: number;
}

export class EchoBook {
  readonly #outstanding = new Map<string, Outstanding>();

  /** An ICMP echo request to be sent by the tunnel. */
  request(
    peer: AgentId,
    addresses: { readonly own: string; readonly peer: string },
    identifier: number,
    sequence: number,
    now: number,
  ): Uint8Array {
    this.#remember(`icmp ${identifier} ${sequence}`, { peer, identifier, sequence, sentAt: now });
    return echoRequest(addresses.own, addresses.peer, identifier, sequence);
  }

  /** The same by a probe: what the acks of this transaction answer. */
  probe(peer: AgentId, transaction: Transaction, identifier: number, sequence: number, now: number): void {
    this.#remember(`probe ${transaction}`, { peer, identifier, sequence, sentAt: now });
  }

  /** An echo reply from a peer: ours, or undefined when some other ping on this machine waits for it. */
  replied(peer: AgentId, echo: Echo, via: PathTarget, now: number): EchoReply | undefined {
    return this.#take(`icmp ${echo.identifier} ${echo.sequence}`, peer, via, now);
  }

  acked(peer: AgentId, transaction: Transaction, via: PathTarget, now: number): EchoReply | undefined {
    return this.#take(`probe ${transaction}`, peer, via, now);
  }

  #take(key: string, peer: AgentId, via: PathTarget, now: number): EchoReply | undefined {
    const found = this.#outstanding.get(key);
    if (found === undefined || found.peer !== peer) return undefined;
    this.#outstanding.delete(key);
    return { identifier: found.identifier, sequence: found.sequence, rttMs: now - found.sentAt, via };
  }

  #remember(key: string, entry: Outstanding): void {
    this.#outstanding.set(key, entry);
    if (this.#outstanding.size <= OUTSTANDING_MAX) return;
    for (const oldest of this.#outstanding.keys()) {
      this.#outstanding.delete(oldest);
      return;
    }
  }
}
