/**
 * The paths to one peer, by where they lead. Direct ones are bounded: strangers may make up as many as they like, by
 * probes of the peer that they captured and send again from forged addresses. So those that nothing but such a probe
 * vouches for have few places and never take that of an address which the peer has told.
 */
import type { Transaction } from "@burrow/protocol";
import { Path, type PathId, type PathOrigin, type PathTarget, pathIdOf } from "./path.ts";

/** Direct paths kept per peer: enough for 32 candidates and what peers saw besides. */
export const DIRECT_PATHS_MAX = 48;
/** Of these, those that only a probe vouches for: a punched NAT shows a dozen. */
export const HEARSAY_PATHS_MAX = 16;

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
    const isNamed = origin !== "peer-reflexive";
    const known = this.of(target);
    if (known !== undefined) {
      known.isNamed ||= isNamed;
      return known;
    }
    if (target.kind === "direct" && !this.#makeRoom(isNamed, now)) return undefined;
    const path = new Path(target, origin, now);
    path.isNamed = isNamed;
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
   * Room for one more direct path, at a limit by letting another one go. For hearsay that is none whose answer may be on
   * its way: two sides that each forgot what they had just asked would ask each other as fast as packets travel. What is
   * named, which is not often, finds room wherever a path does not work.
   */
  #makeRoom(isNamed: boolean, now: number): boolean {
    const direct = this.all.filter((path) => path.target.kind === "direct");
    const hearsay = direct.filter(isHearsay);
    if (!isNamed && hearsay.length >= HEARSAY_PATHS_MAX) return this.#letGo(givenUp(hearsay, now));
    if (direct.length < DIRECT_PATHS_MAX) return true;
    if (!isNamed) return this.#letGo(givenUp(direct, now));
    const least = givenUp(hearsay, now) ?? hearsay[0] ?? givenUp(direct, now);
    return this.#letGo(least ?? direct.find(({ isProven, isSuspect }) => !isProven && !isSuspect));
  }

  #letGo(path: Path | undefined): boolean {
    return path !== undefined && this.#paths.delete(path.id);
  }
}

function isHearsay({ isNamed, acked }: Path): boolean {
  return !isNamed && acked === 0;
}

/** One that never answered, or is lost, and whose answer will not come any more. */
function givenUp(paths: readonly Path[], now: number): Path | undefined {
  const settled = paths.filter(({ stateSinceMs }) => now - stateSinceMs >= ANSWERS_WITHIN_MS);
  return settled.find(({ state }) => state === "silent") ?? settled.find(({ state }) => state === "lost");
}
