/** The grid as people read it, and what all pairs together have to keep. */
import type { NatKind } from "../nat-kinds.ts";
import { columns, formatSpread, type Spread, spreadOf } from "../statistics.ts";
import {
  EASY_MS,
  EASY_RTTS,
  FIRST_BYTE_MS,
  FIRST_BYTE_RTTS,
  HARD_EASY_P50_MS,
  type PairClass,
} from "./expectation.ts";
import type { PairResult } from "./pair.ts";

const SHORT: Readonly<Record<NatKind, string>> = {
  none: "none",
  "full-cone": "cone",
  "port-restricted": "restricted",
  "port-restricted-stray": "stray",
  hard: "hard",
  cgnat: "cgnat",
  "udp-blocked": "blocked",
  firewall: "firewall",
};

export interface Check {
  what: string;
  passed: boolean;
  measured: string;
}

export interface GridSummary {
  firstByte: Spread | undefined;
  easy: Spread | undefined;
  hardEasy: Spread | undefined;
  checks: Check[];
}

/** Rows send first, columns answer: ms to direct, `relay`, or `FAIL`. */
export function gridTable(kinds: readonly NatKind[], results: readonly PairResult[]): string {
  const cell = (from: NatKind, to: NatKind) => {
    const result = results.find((pair) => pair.from === from && pair.to === to);
    return result === undefined ? "-" : verdict(result);
  };
  const head = ["from \\ to", ...kinds.map((kind) => SHORT[kind])];
  return columns([head, ...kinds.map((from) => [SHORT[from], ...kinds.map((to) => cell(from, to))])]);
}

export function extrasTable(results: readonly PairResult[]): string {
  const rows = results.map((pair) => [pair.from, verdict(pair), milliseconds(pair.firstByteMs), pair.path]);
  return columns([["pair", "direct after", "first byte", "path"], ...rows]);
}

function verdict(pair: PairResult): string {
  if (!pair.passed) return pair.firstByteMs === null ? "FAIL none" : "FAIL relay";
  return pair.directMs === null ? "relay" : milliseconds(pair.directMs);
}

function milliseconds(value: number | null): string {
  return value === null ? "-" : `${value.toFixed(0)} ms`;
}

/** @param rttMs a round trip between the two sides, and between one of them and a relay and back */
export function summarize(
  results: readonly PairResult[],
  rtt: { direct: number; relay: number },
): GridSummary {
  const connected = results.flatMap(({ firstByteMs }) => firstByteMs ?? []);
  const directOf = (kind: PairClass) =>
    results.flatMap((pair) => (pair.class === kind ? (pair.directMs ?? []) : []));
  const [firstByte, easy, hardEasy] = [connected, directOf("easy"), directOf("hard-easy")].map(spreadOf);
  const checks: Check[] = [];
  const check = (what: string, spread: Spread | undefined, part: "p50" | "p95", limitMs: number) => {
    if (spread === undefined) return;
    const passed = spread[part] <= limitMs;
    checks.push({
      what: `${what}: ${part} ≤ ${limitMs.toFixed(0)} ms`,
      passed,
      measured: formatSpread(spread),
    });
  };
  check("first byte", firstByte, "p95", FIRST_BYTE_RTTS * rtt.relay + FIRST_BYTE_MS);
  check("direct, easy", easy, "p95", EASY_RTTS * rtt.direct + EASY_MS);
  check("direct, hard × easy", hardEasy, "p50", HARD_EASY_P50_MS);
  return { firstByte, easy, hardEasy, checks };
}
