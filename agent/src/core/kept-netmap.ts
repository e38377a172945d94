/** What the coordinator told last, all together: enough to start from without it. Each change is told. */
import type { GrantedTicket, PeerInfo, RankedRelay, RelayInfo } from "@burrow/protocol";
import type { Netmap, Welcome } from "./contract.ts";

export class KeptNetmap {
  readonly #changed: () => void;
  #netmap: Netmap | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get now(): Netmap | undefined {
    return this.#netmap;
  }

  /** All of it anew; `settled` tells of it, once everybody has heard. */
  replace({ type: _, ...netmap }: Welcome): Netmap {
    this.#netmap = netmap;
    return netmap;
  }

  settled(): void {
    this.#keep({});
  }

  relays(relays: readonly RelayInfo[], ranking: readonly RankedRelay[]): void {
    this.#keep({ relays: [...relays], ranking: [...ranking] });
  }

  peers(peers: PeerInfo[]): void {
    this.#keep({ peers });
  }

  /** New tickets take the places of those for the same relays. */
  tickets(granted: readonly GrantedTicket[]): void {
    const renewed = new Set(granted.map((ticket) => ticket.relay));
    const kept = this.#netmap?.tickets.filter((ticket) => !renewed.has(ticket.relay)) ?? [];
    this.#keep({ tickets: [...kept, ...granted] });
  }

  #keep(change: Partial<Netmap>): void {
    if (this.#netmap === undefined) return;
    this.#netmap = { ...this.#netmap, ...change };
    this.#changed();
  }
}
