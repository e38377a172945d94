/**
 * What the relay learns as records that outlive the process (memory.ts), and back: accepted Binds, flows and ways by
 * the trunk are told as they come, and read again in another life or by another thread. While reading, nothing is told.
 */
import type { Bytes, RelayId } from "@burrow/protocol";
import { type Addresses, NO_ADDRESS, type Source } from "./addresses.ts";
import type { BindDesk } from "./binds.ts";
import type { ForwarderSink } from "./contract.ts";
import type { Flows } from "./flows.ts";
import type { HandshakeDesk } from "./handshakes.ts";
import { bindRecord, flowRecord, isAgentName, type PartyName, readMemory, wayRecord } from "./memory.ts";
import type { Parties } from "./parties.ts";
import { acquaint, type Party } from "./party.ts";
import type { TrunkDesk } from "./trunks.ts";

/** Those who take what is recalled. */
interface Takers {
  readonly binds: BindDesk;
  readonly flows: Flows;
  readonly handshakes: HandshakeDesk;
  readonly trunks: TrunkDesk;
}

export class Recollection {
  readonly #parties: Parties;
  readonly #addresses: Addresses;
  readonly #sink: ForwarderSink;
  #era = 1;
  #isRecalling = false;

  constructor(parties: Parties, addresses: Addresses, sink: ForwarderSink) {
    this.#parties = parties;
    this.#addresses = addresses;
    this.#sink = sink;
  }

  /** From now on each binding is written down once more: a new piece of memory begins. */
  beginEra(): void {
    this.#era++;
  }

  bindAccepted(datagram: Bytes, from: number, party: Party | undefined, isNews: boolean, now: number): void {
    const isNew = isNews || (party !== undefined && party.rememberedIn !== this.#era);
    if (party !== undefined) party.rememberedIn = this.#era;
    if (this.#isRecalling) return;
    this.#sink.learned?.(bindRecord(this.#sourceAt(from), datagram, Math.floor(now / 1000)), isNew);
  }

  flowLearned(source: Party, index: number, destination: Party, nowS: number, proven: boolean): void {
    if (this.#isRecalling || this.#sink.learned === undefined) return;
    const [from, to] = [this.#nameOf(source), this.#nameOf(destination)];
    if (from === undefined || to === undefined) return;
    this.#sink.learned(flowRecord(from, index, to, nowS, proven), true);
  }

  /** By which relay the trunk brought a party's packets: for other threads alone. */
  wayLearned({ id, network }: Party, relay: RelayId, now: number): void {
    if (id === undefined || this.#sink.learned === undefined) return;
    this.#sink.learned(wayRecord(id, network, relay, Math.floor(now / 1000)), false);
  }

  /** Takes records of an earlier life, or of another thread. Flows after the rest: they need both their ends. */
  recall(records: Bytes, { binds, flows, handshakes, trunks }: Takers, now: number): void {
    this.#isRecalling = true;
    for (const record of readMemory(records)) {
      if (record.kind === "bind") {
        const from = this.#addresses.reach(record.from.endpoint, record.from.door);
        if (from !== NO_ADDRESS) binds.recall(record.datagram, from, now);
      } else if (record.kind === "way") {
        trunks.recall(record.agent, record.network, record.relay, record.atS * 1000, now);
      }
    }
    for (const record of readMemory(records)) {
      if (record.kind !== "flow") continue;
      const { proven } = record;
      const source = this.#partyNamed(record.source, handshakes, proven, now);
      const destination = this.#partyNamed(record.destination, handshakes, proven, now);
      if (source === undefined || destination === undefined) continue;
      const hasClient = source.id === undefined || destination.id === undefined;
      if (!hasClient && source.network !== destination.network) continue;
      flows.learn(source, record.receiverIndex, destination, record.atS, proven);
      acquaint(source, destination);
    }
    this.#isRecalling = false;
  }

  #nameOf(party: Party): PartyName | undefined {
    if (party.id !== undefined) return party.id;
    const address = this.#parties.boundAddress(party);
    return address === NO_ADDRESS ? undefined : this.#sourceAt(address);
  }

  #partyNamed(
    name: PartyName,
    handshakes: HandshakeDesk,
    isAnswered: boolean,
    now: number,
  ): Party | undefined {
    if (isAgentName(name)) return this.#parties.byId(name);
    const address = this.#addresses.reach(name.endpoint, name.door);
    return address === NO_ADDRESS ? undefined : handshakes.recall(address, isAnswered, now);
  }

  #sourceAt(handle: number): Source {
    return { endpoint: this.#addresses.endpoint(handle), door: this.#addresses.door(handle) };
  }
}
