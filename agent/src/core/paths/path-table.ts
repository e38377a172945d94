/** The paths to one peer, by where they lead. Direct ones are bounded: strangers may name as many as they like. */
import type { Transaction } from "@burrow/protocol";
import { Path, type PathId, type PathOrigin, type PathTarget, pathIdOf } from "./path.ts";

/** Direct paths kept per peer: enough for 32 candidates and what peers saw besides. */
export const DIRECT_PATHS_MAX = 48;

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
    if (target.kind === "direct" && !this.#makeRoom()) return undefined;
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

  /** Room for one more direct path: at the limit one that never answered or is lost must go. */
  #makeRoom(): boolean {
    const direct = this.all.filter((path) => path.target.kind === "direct");
    if (direct.length < DIRECT_PATHS_MAX) return true;
    const useless =
      direct.find((path) => path.state === "silent") ?? direct.find((path) => path.state === "lost");
    return useless !== undefined && this.#paths.delete(useless.id);
  }
}
