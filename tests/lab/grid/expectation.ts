/** What must become of a pair of networks, and by when: the criteria of the grid, apart from how it is measured. */
import type { NatKind } from "../nat-kinds.ts";

/**
 * - `easy`: plain simultaneous open does, or one side can simply be reached
 * - `hard-easy`: one side's mapping depends on the address, the other's filter on the port (design §7)
 * - `relayed`: no direct path can be had, or none that is worth its packets
 */
export type PairClass = "easy" | "hard-easy" | "relayed";

/** Easy pairs are direct within this and {@link EASY_RTTS} round trips (design §9). */
export const EASY_MS = 100;
export const EASY_RTTS = 5;
/** Half of the pairs of hard and easy (design §9). */
export const HARD_EASY_P50_MS = 2_000;
/** The first answer through a relay: two round trips, one for the handshake, and this (design §9). */
export const FIRST_BYTE_MS = 20;
export const FIRST_BYTE_RTTS = 2;

interface Patience {
  /** So long a pair may take to become direct before it has failed; a relayed one is watched for so long. */
  readonly directMs: number;
}

export const PATIENCE: Readonly<Record<PairClass, Patience>> = {
  easy: { directMs: 5_000 },
  "hard-easy": { directMs: 12_000 },
  relayed: { directMs: 2_500 },
};

export function classOf(a: NatKind, b: NatKind): PairClass {
  const kinds = [a, b];
  if (kinds.includes("udp-blocked")) return "relayed";
  const hard = kinds.filter((kind) => kind === "hard").length;
  if (hard === 2) return "relayed";
  // Whoever anybody can reach needs no port to be found.
  const isOpen = kinds.some((kind) => kind === "none" || kind === "full-cone");
  return hard === 1 && !isOpen ? "hard-easy" : "easy";
}
