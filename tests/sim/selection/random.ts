/** Dice from a seed, so that every run can be run again. */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** sfc32 (Chris Doty-Humphrey, PractRand, public domain), seeded by words. */
export function randomFrom(...seed: readonly number[]): Random {
  let [a, b, c, counter] = [seed[0] ?? 0, seed[1] ?? 0, seed[2] ?? 0, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return { next };
}

export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/** Standard normal (Box-Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

export function below(random: Random, n: number): number {
  return Math.floor(random.next() * n);
}

/** `count` of the numbers 0 … n−1, in random order. */
export function sample(random: Random, n: number, count: number): number[] {
  const all = Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < Math.min(count, n); i++) {
    const j = i + below(random, n - i);
    [all[i], all[j]] = [all[j] ?? 0, all[i] ?? 0];
  }
  return all.slice(0, count);
}
