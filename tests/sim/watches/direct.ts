/** Between networks that plain probing can join, the direct path is found, and it is in use once all is calm. */
import type { AgentEvent } from "../../../agent/src/core/events.ts";
import { meeting } from "../places.ts";
import type { World } from "../world.ts";
import type { Watch } from "./watches.ts";

/** The weather may take a few probes in a row just when we look: so long after, while probes still go, it is asked again. */
const MOMENT_MS = 2_000;

export class DirectWatch implements Watch {
  readonly #world: World;
  /** When each talk was first answered directly, by the index of the talk. */
  readonly #foundMs: (number | undefined)[] = [];
  #broken: readonly string[] = [];

  constructor(world: World) {
    this.#world = world;
    world.plan.talks.forEach(({ from, to, fromMs = world.plan.talkFromMs }, talk) => {
      const node = world.agent(from);
      const peer = world.agent(to).id;
      const before = node.onEvent;
      node.onEvent = (event: AgentEvent) => {
        before(event);
        if (event.type === "path" && event.peer === peer && event.to?.kind === "direct") {
          this.#foundMs[talk] ??= world.sinceStartMs - fromMs;
        }
      };
    });
  }

  talkEnded(): void {
    const { clock } = this.#world;
    const atEnd = this.#whatIsMissing();
    if (atEnd.length === 0) return;
    clock.in(MOMENT_MS, () => {
      if (this.#whatIsMissing().length > 0) this.#broken = atEnd;
    });
  }

  #whatIsMissing(): readonly string[] {
    return this.#world.plan.talks.flatMap(({ from, to }) => {
      const way = meeting(this.#world.homeOf(from), this.#world.homeOf(to));
      // Punching again waits for minutes once it failed: faults excuse it.
      const isExpected = way === "plain" || (way === "punched" && this.#world.plan.faults.length === 0);
      if (!isExpected) return [];
      return [...this.#check(from, to), ...this.#check(to, from)];
    });
  }

  failures(): readonly string[] {
    return this.#broken;
  }

  *measures(): Iterable<readonly [string, readonly number[]]> {
    yield ["direct found, ms", this.#foundMs.filter((ms) => ms !== undefined)];
  }

  #check(from: number, to: number): string[] {
    const peer = this.#world.agent(from).agent.peers.get(this.#world.agent(to).id);
    if (peer?.paths.current?.kind === "direct" && peer.paths.currentPath?.isProven === true) return [];
    // Found, and for the moment left for a relay that loses less: a choice (ranking.ts), and no dead end.
    const isFound = peer?.paths.paths.some(({ target, isProven }) => target.kind === "direct" && isProven);
    if (isFound === true && peer?.paths.reason === "direct-clearly-worse") return [];
    const path = peer?.paths.currentPath;
    const attempts = (peer?.paths.paths ?? []).map(
      ({ id, state, sent, acked }) => `${id} ${state} ${acked}/${sent}`,
    );
    return [
      `a${from} → a${to}: ends on ${path?.id ?? "nothing"} though a direct path exists; ${attempts.join("; ")}`,
    ];
  }
}
