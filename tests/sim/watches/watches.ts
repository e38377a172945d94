/** What must hold in every world. A watch listens while the world runs and says at the end what broke. */
import type { World } from "../world.ts";
import { ConnectedWatch } from "./connected.ts";
import { DirectWatch } from "./direct.ts";
import { IdleWatch } from "./idle.ts";
import { RateWatch } from "./rates.ts";
import { TargetWatch } from "./targets.ts";

export interface Watch {
  /** Talk `talk` sends its echo number `sequence` now. */
  pinged?(talk: number, sequence: number): void;
  /** Nobody says anything any more. */
  talkEnded?(): void;
  failures(): readonly string[];
  measures(): Iterable<readonly [string, readonly number[]]>;
}

export function watchAll(world: World): readonly Watch[] {
  return [
    new ConnectedWatch(world),
    new DirectWatch(world),
    new TargetWatch(world),
    new RateWatch(world),
    new IdleWatch(world),
  ];
}
