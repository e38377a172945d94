/** Who is who among the agents of a relay: by id, by the words of an id as packets have it, and by network. */
import { type AgentId, type IdWords, idOfWords, type NetworkId } from "@burrow/protocol";
import type { Party } from "./party.ts";

export class PartyDirectory {
  readonly #byId = new Map<AgentId, Party>();
  /** By most bits of the id (`numberOf`): whoever came last of those that share them. */
  readonly #byNumber = new Map<number, Party>();
  readonly #networks = new Map<NetworkId, Party[]>();

  byId(id: AgentId): Party | undefined {
    return this.#byId.get(id);
  }

  /** The same for an id as a packet has it; makes no string of it but where an id is like another, or unknown. */
  byWords(words: IdWords): Party | undefined {
    const party = this.#byNumber.get(numberOf(words));
    if (party?.words?.first === words.first && party.words.last === words.last) return party;
    return this.#byId.get(idOfWords(words));
  }

  /** In no order. */
  membersOf(network: NetworkId): readonly Party[] {
    return this.#networks.get(network) ?? [];
  }

  /** Outside clients have no id, and are in no directory. */
  add(party: Party): void {
    const { id, words, network } = party;
    if (id === undefined || words === undefined) return;
    this.#byId.set(id, party);
    this.#byNumber.set(numberOf(words), party);
    const members = this.#networks.get(network) ?? [];
    if (members.length === 0) this.#networks.set(network, members);
    party.memberIndex = members.push(party) - 1;
  }

  delete(party: Party): void {
    const { id, words } = party;
    if (id === undefined || words === undefined || this.#byId.get(id) !== party) return;
    this.#byId.delete(id);
    if (this.#byNumber.get(numberOf(words)) === party) this.#byNumber.delete(numberOf(words));
    this.#leave(party);
  }

  /** The last one takes the place of the one that leaves: no work for the others. */
  #leave(party: Party): void {
    const { network, memberIndex } = party;
    const members = this.#networks.get(network);
    const last = members?.pop();
    if (members === undefined || last === undefined) return;
    if (last !== party) {
      members[memberIndex] = last;
      last.memberIndex = memberIndex;
    }
    if (members.length === 0) this.#networks.delete(network);
  }
}

/** 52 of an id's 64 bits. */
function numberOf({ first, last }: IdWords): number {
  return first * 0x10_0000 + (last >>> 12);
}
