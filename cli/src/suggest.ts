/** What somebody meant who typed a word that is none of ours. */

/** A slip or two; more letters than that off, and half of the commands would be meant. */
const SLIPS_MAX = 2;

/** The known word that is nearest to what was typed, if it is near. */
export function meant(typed: string, known: readonly string[]): string | undefined {
  const [nearest] = known
    .map((word) => ({ word, slips: slipsBetween(typed, word) }))
    .filter(({ word, slips }) => slips <= SLIPS_MAX && slips < word.length / 2)
    .sort((a, b) => a.slips - b.slips);
  return nearest?.word;
}

/** Letters added, left out, taken for others or swapped with their neighbours (optimal string alignment distance). */
function slipsBetween(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
