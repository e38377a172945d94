/**
 * Direct paths to one peer share their fate. Punching a hard NAT proves several between the same two hosts at once, by
 * other sockets here or other ports there: a few are as good as many, and each costs probes and a socket.
 */
import { splitEndpoint } from "@burrow/protocol";
import type { Path } from "./path.ts";

/** A path that carried something this lately is the peer's choice, even if it is not ours. */
export const LET_GO_AFTER_MS = 40_000;

/**
 * `silent` fell into doubt. What cuts one direct path mostly cuts all, and going through them one after another would
 * take a silence each: so none is trusted on what it did before. For one that was not in use the others are only asked.
 *
 * @returns how many have to prove themselves again
 */
export function doubtSiblings(
  silent: Path,
  paths: Iterable<Path>,
  current: Path | undefined,
  now: number,
): number {
  const sinceMs = silent.missingSinceMs;
  if (silent.target.kind !== "direct" || sinceMs === undefined) return 0;
  let doubted = 0;
  for (const path of paths) {
    if (path === silent || path.target.kind !== "direct") continue;
    if (silent !== current) path.doubt(now);
    else if (path.proveAgain(sinceMs, now)) doubted++;
  }
  return doubted;
}

/**
 * Those to let go while `current` works. Kept are the one in use, what the peer uses, and one more for each address of
 * the peer: of the rest the same one on both sides, else each would keep alive what the other lets go.
 */
export function needlessPaths(paths: Iterable<Path>, current: Path, now: number): readonly Path[] {
  const spares = new Map<string, Path>();
  const idle: Path[] = [];
  for (const path of paths) {
    if (path.target.kind !== "direct" || path === current || path.origin !== "peer-reflexive") continue;
    if (now - Math.max(path.carriedMs, path.stateSinceMs) < LET_GO_AFTER_MS) continue;
    idle.push(path);
    const host = splitEndpoint(path.target.endpoint).address;
    const spare = spares.get(host);
    if (path.isProven && (spare === undefined || nameOf(path) < nameOf(spare))) spares.set(host, path);
  }
  const kept = new Set(spares.values());
  return idle.filter((path) => !kept.has(path));
}

/** The path that was left, unless it may share the new one's fate: then a relay. */
export function apartFrom(
  before: Path | undefined,
  path: Path | undefined,
  relays: readonly Path[],
): Path | undefined {
  if (before?.target.kind !== "direct" || path?.target.kind !== "direct") return before;
  return relays.find(({ isProven }) => isProven) ?? relays[0];
}

/** What both sides call the path: its two ends, as seen from outside. */
function nameOf({ target, observed }: Path): string {
  return [target.kind === "direct" ? target.endpoint : "", observed ?? ""].toSorted().join(" ");
}
