/** Flows between parties: what the flow table's numbers mean, who may teach one, and what is asked when none is known. */
import type { AgentId } from "@burrow/protocol";
import { type FlowTable, NO_FLOW } from "./flow-table.ts";
import { NO_PARTY, type Parties } from "./parties.ts";
import { acquaint, type Party } from "./party.ts";

type Lesson = (
  source: Party,
  receiverIndex: number,
  destination: Party,
  nowS: number,
  proven: boolean,
) => void;

export class Flows {
  readonly table: FlowTable;
  readonly #parties: Parties;
  /** Lessons not taken because a living flow says otherwise. */
  conflicts = 0;

  /** Called for each lesson that was taken. */
  readonly #learned: Lesson;

  constructor(table: FlowTable, parties: Parties, learned: Lesson = () => {}) {
    this.table = table;
    this.#parties = parties;
    this.#learned = learned;
  }

  knows(source: Party | undefined, receiverIndex: number): boolean {
    return source !== undefined && this.table.find(source.serial, receiverIndex) !== NO_FLOW;
  }

  /**
   * The slot to which a source's packets with this receiver index go, or NO_PARTY. A packet will go there: the
   * flow lives on.
   */
  follow(sourceSlot: number, receiverIndex: number, nowS: number): number {
    const at = this.table.find(this.#parties.serialOf(sourceSlot), receiverIndex);
    if (at === NO_FLOW || this.table.isStale(at, nowS)) return this.#pending(sourceSlot, receiverIndex, nowS);
    const slot = this.table.destinationSlot(at);
    if (this.#parties.serialOf(slot) !== this.table.destinationSerial(at)) {
      return this.#pending(sourceSlot, receiverIndex, nowS);
    }
    this.table.touch(at, nowS);
    return slot;
  }

  /**
   * A handshake message showed that `source`'s packets with this index are for `destination`. A living flow to
   * another is not overwritten: who guesses an index must not divert what others exchange. `proven`: both sides
   * have spoken, so it is worth its full lifetime though no packet went this way yet.
   */
  learn(source: Party, receiverIndex: number, destination: Party, nowS: number, proven: boolean): void {
    const at = this.table.find(source.serial, receiverIndex);
    if (at !== NO_FLOW && !this.table.isStale(at, nowS)) {
      const isSame = this.table.destinationSerial(at) === destination.serial;
      const lives =
        this.#parties.serialOf(this.table.destinationSlot(at)) === this.table.destinationSerial(at);
      if (lives && !isSame) {
        this.conflicts++;
        return;
      }
    }
    this.table.put(source.serial, receiverIndex, destination.slot, destination.serial, nowS, proven);
    this.#learned(source, receiverIndex, destination, nowS, proven);
  }

  /** The source's own word, in a Bind. False when the agent is not known here (yet). */
  declare(source: Party, receiverIndex: number, agent: AgentId, now: number): boolean {
    const destination = this.#parties.byId(agent);
    if (destination === undefined) return false;
    if (destination.network === source.network && destination !== source) {
      const nowS = Math.floor(now / 1000);
      this.table.put(source.serial, receiverIndex, destination.slot, destination.serial, nowS, true);
      acquaint(source, destination);
    }
    return true;
  }

  /** A flow declared before its destination came: settled on the first packet after. */
  #pending(sourceSlot: number, receiverIndex: number, nowS: number): number {
    const source = this.#parties.at(sourceSlot);
    const agent = source?.pendingFlows?.get(receiverIndex);
    if (source === undefined || agent === undefined) return NO_PARTY;
    if (!this.declare(source, receiverIndex, agent, nowS * 1000)) return NO_PARTY;
    source.pendingFlows?.delete(receiverIndex);
    const at = this.table.find(source.serial, receiverIndex);
    return at === NO_FLOW ? NO_PARTY : this.table.destinationSlot(at);
  }
}
