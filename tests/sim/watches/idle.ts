/** When nobody talks, probing stops: idle peers do not wake each other, and a quiet agent costs next to nothing. */
import { classify, type Endpoint } from "@burrow/protocol";
import type { Host } from "../net/host.ts";
import type { Tap } from "../net/network.ts";
import type { World } from "../world.ts";
import type { Watch } from "./watches.ts";

/** A minute of patience, after WireGuard's own last words: keep-alives of both sides, 10 s each (WireGuard §6.5). */
const IDLE_AFTER_MS = 100_000;

export class IdleWatch implements Watch, Tap {
  readonly #world: World;
  readonly #broken = new Map<string, string>();
  #bytes = 0;

  constructor(world: World) {
    this.#world = world;
    world.net.taps.push(this);
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint): void {
    const now = this.#world.sinceStartMs;
    if (now < this.#world.plan.talkUntilMs + IDLE_AFTER_MS) return;
    const agent = this.#world.agentAt(by);
    if (agent === undefined) return;
    this.#bytes += datagram.length;
    const kind = classify(datagram);
    if (kind === "bind") return;
    this.#broken.set(
      agent.name,
      `${agent.name} is idle and sends ${kind} to ${this.#world.nameOf(to)} at ${now} ms`,
    );
  }

  arrived(): void {}

  failures(): readonly string[] {
    return [...this.#broken.values()];
  }

  *measures(): Iterable<readonly [string, readonly number[]]> {
    const { endMs, talkUntilMs } = this.#world.plan;
    const idleMs = endMs - talkUntilMs - IDLE_AFTER_MS;
    const perHour = (this.#bytes / this.#world.agents.length) * (3_600_000 / idleMs);
    yield ["bytes an idle agent sends in an hour", [perHour]];
  }
}
