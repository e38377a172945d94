/** A number between 0 and 1 for an agent and a relay: always the same, and different for everybody else. */

/** Half an id's 16 hex digits as 32 bits. Ids are hashes already; this only has to separate. */
function half(id: string, at: number): number {
  return Number.parseInt(id.slice(at, at + 8), 16) | 0;
}

export function seedOf(id: string): number {
  return mix(half(id, 0) ^ Math.imul(half(id, 8), 0x9e3779b1));
}

/** Uniform in (0, 1). */
export function unit(seed: number, other: number): number {
  return ((mix(seed ^ Math.imul(other, 0x85ebca6b)) >>> 0) + 0.5) / 2 ** 32;
}

/** The finalizer of MurmurHash3 (Austin Appleby, public domain). */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
