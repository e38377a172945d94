/** Percentiles, the way the lab prints and judges them. */

export interface Spread {
  count: number;
  p50: number;
  p95: number;
  max: number;
}

/** By nearest rank, so that every number given was measured. Undefined when nothing was. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
  const [p50, p95, max] = [at(0.5), at(0.95), at(1)];
  if (p50 === undefined || p95 === undefined || max === undefined) return undefined;
  return { count: sorted.length, p50, p95, max };
}

export function formatSpread(spread: Spread | undefined, unit = "ms"): string {
  if (spread === undefined) return "not measured";
  const [p50, p95, max] = [spread.p50, spread.p95, spread.max].map((value) => value.toFixed(0));
  return `p50 ${p50} ${unit}, p95 ${p95} ${unit}, max ${max} ${unit} (${spread.count})`;
}

/** Columns padded to their widest cell, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
