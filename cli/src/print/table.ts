/** Aligned tables that fit 80 columns. Knows widths and nothing of what the cells mean. */
import { COLUMNS, type Paint, PLAIN, type Style } from "../terminal.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May lose its middle when the table is too wide, down to this many characters. */
  readonly shrinkTo?: number;
}

/** A cell is its text, or its text and how to paint it (painting never counts as width). */
export type Cell = string | { readonly text: string; readonly paint: Paint };

const GAP = "  ";

/** The table as lines, each ended by a newline; no line has trailing blanks. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: Style = PLAIN,
  columnsMax: number = COLUMNS,
): string {
  const titles = columns.map((column) => column.title);
  const widths = columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, lengthOf(row[i] ?? "")), column.title.length),
  );
  shrink(columns, widths, columnsMax);
  const line = (cells: readonly Cell[], paintAll?: Paint) =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        const text = elide(typeof cell === "string" ? cell : cell.text, width);
        const painted = typeof cell === "string" ? (paintAll ?? same)(text) : cell.paint(text);
        const blanks = " ".repeat(width - [...text].length);
        if (columns[i]?.align === "right") return blanks + painted;
        return i === columns.length - 1 ? painted : painted + blanks;
      })
      .join(GAP)
      .trimEnd();
  const body = rows.map((row) => `${line(row)}\n`).join("");
  return titles.every((title) => title === "") ? body : `${line(titles, style.dim)}\n${body}`;
}

/** Two columns, names to the left: `home  9c2f… in fra, 12 ms`. What is too long goes on below itself. */
export function facts(pairs: readonly (readonly [string, Cell | undefined])[], style: Style): string {
  const shown = pairs.filter((pair): pair is readonly [string, Cell] => pair[1] !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown
    .flatMap(([name, value]) => {
      const { text, paint } = typeof value === "string" ? { text: value, paint: same } : value;
      const [first = "", ...rest] = wrap(text, COLUMNS - width - GAP.length);
      const line = (left: string, right: string) => `${style.dim(left.padEnd(width))}${GAP}${paint(right)}`;
      return [line(name, first), ...rest.map((part) => line("", part))];
    })
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Words broken into lines of at most `width` characters; a word longer than that stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((word) => word !== "")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "") lines.push(line);
  return lines;
}

/** Cuts the middle out: the beginning and the end of addresses and ids tell them apart best. */
export function elide(text: string, width: number): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  if (width <= 1) return "…".slice(0, width);
  const head = Math.ceil((width - 1) / 2);
  return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (width - 1 - head)).join("")}`;
}

/** Takes what is too much from the shrinkable columns, always from the widest of them. */
function shrink(columns: readonly Column[], widths: number[], columnsMax: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1) - columnsMax;
  while (excess > 0) {
    let widest: number | undefined;
    for (const [i, column] of columns.entries()) {
      const width = widths[i] ?? 0;
      if (column.shrinkTo === undefined || width <= column.shrinkTo) continue;
      if (widest === undefined || width > (widths[widest] ?? 0)) widest = i;
    }
    if (widest === undefined) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
}

function lengthOf(cell: Cell): number {
  return [...(typeof cell === "string" ? cell : cell.text)].length;
}

function same(text: string): string {
  return text;
}
