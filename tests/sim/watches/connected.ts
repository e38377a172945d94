/**
 * Connected whenever any path exists: echoes come back, all of them but those that were on their way when something
 * went wrong, and those that the weather took. Every plan leaves a way open, so there are no other excuses.
 */
import type { FaultKind } from "../plan.ts";
import type { World } from "../world.ts";
import type { Watch } from "./watches.ts";

/** So long a silence is no accident … */
const SILENCE_MS = 1_000;
/** … unless so few echoes were asked in it that the weather could have taken them. */
const ECHOES_MIN = 6;
/** An answer later than this is none. */
const ANSWER_WITHIN_MS = 2_500;
const FIRST_ANSWER_WITHIN_MS = 2_000;

/** How long after its begin, and after its end, a fault excuses silence. */
const EXCUSED_MS: Readonly<Record<FaultKind["is"], number>> = {
  "direct-cut": 1_500,
  "relay-cut": 3_000,
  "relay-killed": 3_000,
  "relay-deaf": 3_000,
  "relay-drained": 500,
  "coordinator-gone": 500,
  "router-rebooted": 2_000,
  storm: 3_000,
  moved: 3_500,
  restarted: 3_500,
};

interface Echo {
  readonly sentMs: number;
  answeredMs: number | undefined;
}

export class ConnectedWatch implements Watch {
  readonly #world: World;
  readonly #echoes: Echo[][];

  constructor(world: World) {
    this.#world = world;
    this.#echoes = world.plan.talks.map(() => []);
    world.plan.talks.forEach(({ from }, talk) => {
      const node = world.agent(from);
      const before = node.onEvent;
      node.onEvent = (event) => {
        before(event);
        if (event.type !== "echo" || event.reply.identifier !== talk) return;
        const echo = this.#echoes[talk]?.[event.reply.sequence];
        if (echo !== undefined) echo.answeredMs ??= world.sinceStartMs;
      };
    });
  }

  pinged(talk: number): void {
    this.#echoes[talk]?.push({ sentMs: this.#world.sinceStartMs, answeredMs: undefined });
  }

  failures(): string[] {
    return this.#world.plan.talks.flatMap(({ from, to }, talk) => {
      return this.#silences(talk).map(({ fromMs, untilMs }) => {
        return `a${from} → a${to}: no answer to what was sent from ${fromMs} to ${untilMs} ms`;
      });
    });
  }

  *measures(): Iterable<readonly [string, readonly number[]]> {
    const first = this.#echoes.flatMap(([echo]) => (echo === undefined ? [] : [rttOf(echo)]));
    yield ["first answer, ms", first];
    const gaps = new Map<string, number[]>();
    for (const { fault, atMs } of this.#world.plan.faults) {
      const longest = this.#echoes.map((echoes) => longestGapMs(echoes, atMs - 200, atMs + 6_000));
      const name = `longest gap after ${fault.is}, ms`;
      gaps.set(name, [...(gaps.get(name) ?? []), ...longest.filter((gap) => gap > 0)]);
    }
    yield* gaps;
  }

  #silences(talk: number): { fromMs: number; untilMs: number }[] {
    const { talkUntilMs } = this.#world.plan;
    const echoes = (this.#echoes[talk] ?? []).filter(({ sentMs }) => sentMs < talkUntilMs - ANSWER_WITHIN_MS);
    const found: { fromMs: number; untilMs: number }[] = [];
    let run: Echo[] = [];
    const close = () => {
      const [first, last] = [run[0], run.at(-1)];
      run = [];
      if (first === undefined || last === undefined) return;
      found.push({ fromMs: first.sentMs, untilMs: last.sentMs });
    };
    const isLong = () =>
      run.length >= ECHOES_MIN && (run.at(-1)?.sentMs ?? 0) - (run[0]?.sentMs ?? 0) >= SILENCE_MS;
    for (const echo of echoes) {
      if (rttOf(echo) <= ANSWER_WITHIN_MS || this.#isExcused(echo.sentMs)) {
        if (isLong()) close();
        run = [];
      } else run.push(echo);
    }
    if (isLong()) close();
    return found;
  }

  #isExcused(sentMs: number): boolean {
    const { talkFromMs, faults } = this.#world.plan;
    if (sentMs < talkFromMs + FIRST_ANSWER_WITHIN_MS) return true;
    return faults.some(({ fault, atMs, forMs }) => {
      // What was under way just before is lost too.
      const excusedMs = EXCUSED_MS[fault.is] + (fault.is === "moved" ? fault.awayMs : 0);
      const isNear = (momentMs: number) => sentMs > momentMs - 500 && sentMs < momentMs + excusedMs;
      const isDuring = fault.is === "storm" && sentMs > atMs && sentMs < atMs + forMs;
      return isNear(atMs) || isNear(atMs + forMs) || isDuring;
    });
  }
}

function rttOf({ sentMs, answeredMs }: Echo): number {
  return answeredMs === undefined ? Number.POSITIVE_INFINITY : answeredMs - sentMs;
}

/** The longest time between two echoes that were answered, less the pause between echoes. */
function longestGapMs(echoes: readonly Echo[], fromMs: number, untilMs: number): number {
  const within = echoes.filter(({ sentMs }) => sentMs >= fromMs && sentMs <= untilMs);
  const pauseMs =
    within.length < 2 ? 0 : ((within.at(-1)?.sentMs ?? 0) - (within[0]?.sentMs ?? 0)) / (within.length - 1);
  let longest = 0;
  let last = within[0]?.sentMs ?? 0;
  for (const echo of within) {
    if (rttOf(echo) > ANSWER_WITHIN_MS) continue;
    longest = Math.max(longest, echo.sentMs - last - pauseMs);
    last = echo.sentMs;
  }
  return Math.max(0, longest);
}
