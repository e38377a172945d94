/** Probes as packets: opened under the key shared with their sender, sent and acknowledged under the same. */
import {
  type AgentId,
  type Endpoint,
  encodeProbe,
  isRefusal,
  NONCE_LENGTH,
  openProbe,
  type ProbeBody,
  type ProbeHeader,
  probeHeader,
  type Sealer,
  type Transaction,
} from "@burrow/protocol";
import type { SendOptions } from "./contract.ts";
import type { ProbeForm } from "./paths/contract.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";
import { ProbeBudget } from "./probe-budget.ts";

export interface ProbeDeskParts {
  readonly self: AgentId;
  readonly sealer: Sealer;
  readonly random: (length: number) => Uint8Array;
  peerOf(id: AgentId): Peer | undefined;
  transmit(target: PathTarget, datagram: Uint8Array, how: ProbeTravel): void;
}

/** How a probe travels. */
export type ProbeTravel = Pick<SendOptions, "ttl" | "whole">;

export type ProbeRefusal = "probe-not-for-us" | "probe-unknown-peer" | "probe-forged";

export class ProbeDesk {
  /** Of all the probes that leave here. */
  readonly budget = new ProbeBudget();
  readonly #parts: ProbeDeskParts;

  constructor(parts: ProbeDeskParts) {
    this.#parts = parts;
  }

  /** Whose probe or ack this is and what it says; else why it is nobody's. Any bytes from anyone. */
  open(datagram: Uint8Array): { readonly peer: Peer; readonly probe: ProbeBody } | ProbeRefusal {
    const header = probeHeader(datagram);
    if (isRefusal(header) || header.receiver !== this.#parts.self) return "probe-not-for-us";
    const peer = this.#parts.peerOf(header.sender);
    const key = peer?.probeKey;
    if (peer === undefined || key === undefined) return "probe-unknown-peer";
    const probe = openProbe(datagram, key, this.#parts.sealer, header);
    return isRefusal(probe) ? "probe-forged" : { peer, probe };
  }

  send(peer: Peer, target: PathTarget, transaction: Transaction, now: number, form: ProbeForm = {}): void {
    this.budget.spend(now);
    const { ttl, lengthBytes, hasBegun } = form;
    const how = { ttl, whole: lengthBytes !== undefined };
    const begun = hasBegun === undefined ? {} : { hasBegun };
    const about = { kind: "probe", transaction, observed: undefined, ...begun } as const;
    this.#transmit(peer, target, about, how, lengthBytes);
  }

  /** `observed`: where the probe came from. */
  acknowledge(peer: Peer, target: PathTarget, transaction: Transaction, observed: Endpoint): void {
    this.#transmit(peer, target, { kind: "probeAck", transaction, observed }, {});
  }

  #transmit(
    peer: Peer,
    target: PathTarget,
    about: ProbeBody & Pick<ProbeHeader, "kind">,
    how: ProbeTravel,
    lengthBytes?: number,
  ): void {
    const key = peer.probeKey;
    if (key === undefined) return;
    const { self, sealer, random, transmit } = this.#parts;
    const header = { kind: about.kind, receiver: peer.info.id, sender: self };
    transmit(target, encodeProbe(header, about, key, random(NONCE_LENGTH), sealer, lengthBytes), how);
  }
}
