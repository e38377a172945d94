/**
 * WebSocket connections between agents and relays' doors (relay/src/io/websocket-door.ts): slow to open, in order and
 * without loss while the way is free, gone when either end is. To the relay each is an address on its own loopback.
 */
import { type Endpoint, endpoint } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import type { Host } from "../net/host.ts";
import { type Network, outermostAddresses } from "../net/network.ts";
import type { RelayNode } from "./relay.ts";

/** TCP's, TLS's and WebSocket's handshakes, in round trips. */
const OPENING_RTTS = 3;
/** As the agent's own doors do (agent/src/io/websocket-doors.ts). */
const WAITING_MAX = 32;
const PASSAGE_ADDRESS = "127.64.0.1";

export interface Passage {
  /** The relay's side of it, as its data plane sees it. */
  readonly at: Endpoint;
  isOpen: boolean;
  toAgent(datagram: Uint8Array): void;
  close(): void;
}

let passagesMade = 0;

/** An agent's connections, one to each relay that it talks to. */
export class Doors {
  readonly #clock: Clock;
  readonly #net: Network;
  readonly #receive: (datagram: Uint8Array, from: Endpoint) => void;
  readonly #open = new Map<Endpoint, { readonly passage: Passage; readonly waiting: Uint8Array[] }>();

  constructor(clock: Clock, net: Network, receive: (datagram: Uint8Array, from: Endpoint) => void) {
    this.#clock = clock;
    this.#net = net;
    this.#receive = receive;
  }

  send(host: Host, bytes: Uint8Array, door: Endpoint, relay: RelayNode | undefined): void {
    if (relay === undefined) return;
    const known = this.#open.get(door) ?? this.#connect(host, door, relay);
    const datagram = bytes.slice();
    if (known.passage.isOpen) return this.#carry(host, relay, known.passage, datagram);
    known.waiting.push(datagram);
    if (known.waiting.length > WAITING_MAX) known.waiting.shift();
  }

  closeAll(): void {
    for (const { passage } of [...this.#open.values()]) passage.close();
    this.#open.clear();
  }

  #connect(host: Host, door: Endpoint, relay: RelayNode) {
    const passage: Passage = {
      at: endpoint(PASSAGE_ADDRESS, 1_024 + (passagesMade++ % 60_000)),
      isOpen: false,
      toAgent: (datagram) => {
        const way = this.#way(relay.host, host);
        if (way !== undefined) this.#clock.in(way, () => passage.isOpen && this.#receive(datagram, door));
      },
      close: () => {
        passage.isOpen = false;
        relay.passageClosed(passage);
        if (this.#open.get(door)?.passage === passage) this.#open.delete(door);
      },
    };
    const entry = { passage, waiting: [] as Uint8Array[] };
    this.#open.set(door, entry);
    const way = this.#way(host, relay.host);
    this.#clock.in(2 * OPENING_RTTS * (way ?? 1_000), () => {
      if (this.#open.get(door) !== entry) return;
      if (way === undefined || !relay.passageOpened(passage)) return passage.close();
      passage.isOpen = true;
      for (const datagram of entry.waiting.splice(0)) this.#carry(host, relay, passage, datagram);
    });
    return entry;
  }

  #carry(host: Host, relay: RelayNode, passage: Passage, datagram: Uint8Array): void {
    const way = this.#way(host, relay.host);
    if (way === undefined) return;
    this.#clock.in(way, () => {
      if (passage.isOpen) relay.receive(datagram, passage.at);
    });
  }

  /** Milliseconds from one host to another by TCP; undefined while it is cut. What TCP would send again is lost. */
  #way(from: Host, to: Host): number | undefined {
    if (!from.isPlugged || !to.isPlugged) return undefined;
    const { weather } = this.#net;
    for (const a of outermostAddresses(from)) {
      for (const b of outermostAddresses(to)) {
        if (a.includes(":") === b.includes(":") && !weather.isCut(a, b) && !weather.isCut(b, a)) {
          return weather.delayMs(a, b);
        }
      }
    }
    return undefined;
  }
}

export function isPassage(of: Endpoint): boolean {
  return of.startsWith(`${PASSAGE_ADDRESS}:`);
}
