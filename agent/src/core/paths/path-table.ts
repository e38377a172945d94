/** The paths to one peer, by where they lead. Direct ones are bounded: strangers may name as many as they like. */
import type { Transaction } from "@burrow/protocol";
import { Path, type PathId, type PathOrigin, type PathTarget, pathIdOf } from "./path.ts";

/** Direct paths kept per peer: enough for 32 candidates and what peers saw besides. */
export const DIRECT_PATHS_MAX = 48;

/** Longer than a round trip by satellite. */
const ANSWERS_WITHIN_MS = 1_000;

export class PathTable {
  readonly #paths = new Map<PathId, Path>();

  values(): IterableIterator<Path> {
    return this.#paths.values();
  }

  /** A copy, to change the table by. */
  get all(): readonly Path[] {
    return [...this.#paths.values()];
  }

  /** When the first of them next wants a look; infinite when none does. */
  get deadlineMs(): number {
    let deadlineMs = Number.POSITIVE_INFINITY;
    for (const path of this.#paths.values()) deadlineMs = Math.min(deadlineMs, path.deadlineMs ?? deadlineMs);
    return deadlineMs;
  }

  of(target: PathTarget): Path | undefined {
    return this.#paths.get(pathIdOf(target));
  }

  has(path: Path): boolean {
    return this.#paths.get(path.id) === path;
  }

  delete(path: Path): void {
    this.#paths.delete(path.id);
  }

  /** The path to `target`, made if need be; undefined when there is no room. */
  ensure(target: PathTarget, origin: PathOrigin, now: number): Path | undefined {
    const known = this.of(target);
    if (known !== undefined) return known;
    if (target.kind === "direct" && !this.#makeRoom(now)) return undefined;
    const path = new Path(target, origin, now);
    this.#paths.set(path.id, path);
    return path;
  }

  /**
   * The path whose probe an ack that came by `target` answers. Direct acks must come from where the probe went. By a
   * relay the ack may take another one than the probe did: each side sends by the relay that it chose itself.
   */
  asked(target: PathTarget, transaction: Transaction): Path | undefined {
    const exact = this.of(target);
    if (target.kind === "direct" || exact?.isWaitingFor(transaction)) return exact;
    for (const path of this.#paths.values()) {
      if (path.target.kind === "relay" && path.isWaitingFor(transaction)) return path;
    }
    return undefined;
  }

  /**
   * Room for one more direct path: at the limit one that never answered or is lost must go, but none whose answer may be
   * on its way. Two sides that each forgot what they had just asked would ask each other as fast as packets travel.
   */
  #makeRoom(now: number): boolean {
    const direct = this.all.filter((path) => path.target.kind === "direct");
    if (direct.length < DIRECT_PATHS_MAX) return true;
    const settled = direct.filter(({ stateSinceMs }) => now - stateSinceMs >= ANSWERS_WITHIN_MS);
    const useless =
      settled.find((path) => path.state === "silent") ?? settled.find((path) => path.state === "lost");
    return useless !== undefined && this.#paths.delete(useless.id);
  }
}
