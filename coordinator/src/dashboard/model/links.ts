/** Pairs of agents that talk, once each, however many of the two report it. */
import type { Path, Paths } from "./mesh.ts";

export interface Link {
  /** Both ids, the lesser first. */
  readonly key: string;
  readonly a: string;
  readonly b: string;
  readonly kind: "direct" | "relay";
  /** From a's side to b's; none when direct. */
  readonly relays: readonly string[];
}

/** Only pairs that talk, or, of the agent `whole`, all. A pair is direct when either side sends straight. */
export function links(all: ReadonlyMap<string, Paths>, whole?: string): Link[] {
  const found = new Map<string, Link>();
  for (const [agent, paths] of all) {
    for (const path of paths.values()) {
      const isWanted = agent === whole || path.peer === whole || path.reason !== "idle";
      if (path.kind === "none" || !isWanted) continue;
      const [a, b] = agent < path.peer ? [agent, path.peer] : [path.peer, agent];
      const key = `${a} ${b}`;
      if (found.has(key)) continue;
      const back = all.get(path.peer)?.get(agent);
      found.set(key, { key, a, b, ...wayOf(agent === a ? [path, back] : [back, path]) });
    }
  }
  return [...found.values()];
}

function wayOf(both: readonly (Path | undefined)[]): Pick<Link, "kind" | "relays"> {
  if (both.some((path) => path?.kind === "direct")) return { kind: "direct", relays: [] };
  const relays = both.flatMap((path) => (path?.kind === "relay" && path.relay !== null ? [path.relay] : []));
  return { kind: "relay", relays: [...new Set(relays)] };
}
