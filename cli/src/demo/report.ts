/** How the demo's results look: a closing table for people, one JSON document for scripts. */
import { table } from "../print/table.ts";
import type { Style } from "../terminal.ts";
import {
  BERLIN,
  BOSTON,
  emulatedRttMs,
  FRANKFURT,
  SINGAPORE,
  type Site,
  SYDNEY,
  VIRGINIA,
} from "./places.ts";
import type { Step } from "./scenario.ts";
import type { Entry } from "./timeline.ts";

export interface DemoReport {
  readonly ok: boolean;
  readonly elapsedMs: number;
  readonly emulatedRttMs: readonly { readonly between: readonly [string, string]; readonly rttMs: number }[];
  readonly steps: readonly Step[];
  readonly timeline: readonly Entry[];
}

const PAIRS: readonly (readonly [Site, Site])[] = [
  [BERLIN, FRANKFURT],
  [FRANKFURT, VIRGINIA],
  [VIRGINIA, BOSTON],
  [BERLIN, BOSTON],
  [BERLIN, SINGAPORE],
  [BOSTON, SINGAPORE],
  [BERLIN, SYDNEY],
  [BOSTON, SYDNEY],
];

export function emulatedRtts(): DemoReport["emulatedRttMs"] {
  return PAIRS.map(([a, b]) => ({ between: [a.name, b.name], rttMs: round(emulatedRttMs(a.at, b.at)) }));
}

export function introduction(style: Style): string {
  const ms = (a: Site, b: Site) => `${Math.round(emulatedRttMs(a.at, b.at))} ms`;
  const name = (text: string) => style.bold(text);
  return [
    `A coordinator, three relays and two agents in this process, on loopback, with`,
    `real UDP, real WireGuard handshakes and emulated distances (round trips):`,
    "",
    `   ${name("berlin")} ─ ${ms(BERLIN, FRANKFURT)} ─ ${style.cyan("frankfurt")} ── ${ms(FRANKFURT, VIRGINIA)} ── ${style.cyan("virginia")} ─ ${ms(VIRGINIA, BOSTON)} ─ ${name("boston")}`,
    `     └─────────────── ${style.green(`direct: ${ms(BERLIN, BOSTON)}`)} ──────────────────┘`,
    `   ${style.cyan("singapore")}: ${ms(BERLIN, SINGAPORE)} from berlin, ${ms(BOSTON, SINGAPORE)} from boston`,
    `   the coordinator is in sydney: ${ms(BERLIN, SYDNEY)} from berlin, ${ms(BOSTON, SYDNEY)} from boston`,
    "",
    "",
  ].join("\n");
}

const STALLED = "stalled: this machine did not let the process run; the bound grows by that time\n";

export function closingTable(steps: readonly Step[], style: Style): string {
  const rows = steps.map(({ what, measured, expected, ok }) => [
    what,
    measured,
    expected,
    ok ? { text: "ok", paint: style.green } : { text: "FAIL", paint: style.red },
  ]);
  const columns = [
    { title: "STEP" },
    { title: "MEASURED", shrinkTo: 12 },
    { title: "EXPECTED", shrinkTo: 12 },
    { title: "" },
  ];
  const isStalled = steps.some(({ expected }) => expected.includes("stalled"));
  return `\n${table(columns, rows, style)}${isStalled ? style.dim(STALLED) : ""}`;
}

/** Milliseconds with microseconds, as far as they mean anything. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
