/** What a check found, line by line: what was looked at, how it is, and what to do about it. */
import { COLUMNS, type Paint, type Style } from "../terminal.ts";
import { wrap } from "./table.ts";

export interface Found {
  readonly check: string;
  readonly status: "ok" | "warning" | "broken" | "unknown";
  readonly text: string;
  readonly remedy?: string | undefined;
}

const MARK_WIDTH = "warning".length;

function paintOf(status: Found["status"], { green, yellow, red, dim }: Style): Paint {
  return { ok: green, warning: yellow, broken: red, unknown: dim }[status];
}

export function showFindings(findings: readonly Found[], style: Style): string {
  const checks = Math.max(0, ...findings.map(({ check }) => check.length));
  const indent = " ".repeat(checks + MARK_WIDTH + 4);
  const width = COLUMNS - indent.length;
  return findings
    .map(({ check, status, text, remedy }) => {
      const mark = paintOf(status, style)(status.padEnd(MARK_WIDTH));
      const [first = "", ...more] = wrap(text, width);
      const advice = remedy === undefined || status === "ok" ? [] : wrap(`try: ${remedy}`, width);
      const below = [...more, ...advice.map((line) => style.dim(line))];
      const lines = below.map((line) => `${indent}${line}\n`).join("");
      return `${style.dim(check.padEnd(checks))}  ${mark}  ${first}\n${lines}`;
    })
    .join("");
}
