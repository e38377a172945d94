/**
 * Nothing but probes goes to an address that never proved itself. Relays prove themselves by being on the
 * coordinator's map; any other address by an ack. Answers to handshakes are answers, and smaller than the question.
 */
import { classify, type Endpoint, WireGuardType } from "@burrow/protocol";
import type { Host } from "../net/host.ts";
import type { Tap } from "../net/network.ts";
import type { World } from "../world.ts";
import type { Watch } from "./watches.ts";

export class TargetWatch implements Watch, Tap {
  readonly #world: World;
  readonly #proven = new Map<Host, Set<Endpoint>>();
  readonly #broken = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.net.taps.push(this);
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint): void {
    const agent = this.#world.agentAt(by);
    if (agent === undefined || this.#world.isRelay(to)) return;
    const kind = classify(datagram);
    if (kind === "probe" || kind === "probeAck") return;
    const isAnswer = datagram[0] === WireGuardType.response || datagram[0] === WireGuardType.cookieReply;
    if (isAnswer || this.#proven.get(by)?.has(to) === true) return;
    this.#broken.add(`${agent.name} sends ${kind} to ${to}, which never proved itself`);
  }

  arrived(at: Host, datagram: Uint8Array, from: Endpoint): void {
    if (classify(datagram) !== "probeAck") return;
    const proven = this.#proven.get(at) ?? new Set();
    this.#proven.set(at, proven.add(from));
  }

  failures(): readonly string[] {
    return [...this.#broken];
  }

  measures(): [] {
    return [];
  }
}
