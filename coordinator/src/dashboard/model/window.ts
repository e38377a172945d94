/** Which rows of a long list are drawn: those in sight and a few more, so that scrolling shows no gaps. */

export interface RowWindow {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

const MARGIN_ROWS = 6;

export function rowsInSight(scrollTop: number, height: number, rowHeight: number, rows: number): RowWindow {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - MARGIN_ROWS);
  const to = Math.min(rows, Math.ceil((scrollTop + height) / rowHeight) + MARGIN_ROWS);
  return { from: Math.min(from, to), to };
}

/** Where to scroll so that the row is in sight; where it is already, if it is. */
export function scrolledTo(row: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + rowHeight - height);
}

/** The row that a key leads to; undefined for keys that lead nowhere. */
export function rowAfterKey(key: string, row: number, rows: number, rowsInView: number): number | undefined {
  const leap = Math.max(1, rowsInView - 1);
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: row + 1,
    ArrowUp: row - 1,
    PageDown: row + leap,
    PageUp: row - leap,
    Home: 0,
    End: rows - 1,
  };
  const next = steps[key];
  return next === undefined ? undefined : Math.min(rows - 1, Math.max(0, next));
}
