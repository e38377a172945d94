/** `burrow ping PEER`: round trips through the mesh, each with the path it took. */
import type { Command } from "commander";
import type { PingLine } from "../client/shapes.ts";
import { StopSignal } from "../daemon.ts";
import { Negative } from "../failure.ts";
import { flag } from "../flags.ts";
import { pathPaint, pathText } from "../print/path.ts";
import { milliseconds } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { count, durationMs, peerName } from "../values.ts";
import { addLocalFlags, agentOf, type LocalFlags } from "./common.ts";

interface PingFlags extends LocalFlags {
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
}

const COUNT_DEFAULT = 10;
/** The most that an agent takes at once: eleven days of seconds stand for "until Ctrl-C". */
const COUNT_MAX = 1_000_000;
const INTERVAL_DEFAULT_MS = 1_000;
const TIMEOUT_DEFAULT_MS = 3_000;

export function addPing(program: Command, terminal: Terminal): void {
  addLocalFlags(
    program
      .command("ping")
      .argument("<PEER>", "its name, id or address", peerName)
      .description("ping a peer by name, id or address; shows each path"),
  )
    .addOption(
      flag("-c, --count <N>", "how many; 0 goes on until Ctrl-C").argParser(count).default(COUNT_DEFAULT),
    )
    .addOption(
      flag("-i, --interval <TIME>", "time between two")
        .argParser(durationMs)
        .default(INTERVAL_DEFAULT_MS, "1s"),
    )
    .addOption(
      flag("--timeout <TIME>", "how long to wait for each")
        .argParser(durationMs)
        .default(TIMEOUT_DEFAULT_MS, "3s"),
    )
    .addHelpText(
      "after",
      "\nThe path shown is the one by which the answer came; the peer chose it. The one\nthat this agent sends by is in `burrow why PEER`.\n\nExits with 0 if any answer came.\n\nExample: burrow ping office-laptop -c 3 -i 200ms",
    )
    .action((peer: string, flags: PingFlags) => ping(peer, flags, terminal));
}

async function ping(peer: string, flags: PingFlags, terminal: Terminal): Promise<void> {
  const abort = new AbortController();
  const signal = new StopSignal(() => abort.abort());
  const tally = new Tally();
  let before: PingLine["path"];
  try {
    const query = `count=${flags.count === 0 ? COUNT_MAX : flags.count}&intervalMs=${flags.interval}&timeoutMs=${flags.timeout}`;
    const path = `/v1/ping/${encodeURIComponent(peer)}?${query}`;
    for await (const line of agentOf(flags).lines<PingLine>(path, abort.signal)) {
      tally.add(line);
      const shown =
        flags.json === true ? `${JSON.stringify(line)}\n` : showPing(line, terminal.outStyle, before);
      terminal.out(shown);
      before = line.path ?? before;
    }
  } finally {
    signal.close();
  }
  const summary = tally.summary();
  terminal.out(flags.json === true ? `${JSON.stringify({ summary })}\n` : showSummary(peer, summary));
  if (summary.received === 0) throw new Negative();
}

/** `before`: the path of the last answer; another one now is pointed at. */
export function showPing(line: PingLine, style: Style, before?: PingLine["path"]): string {
  const seq = String(line.seq).padStart(3);
  if (line.rttMs === undefined) return `${seq}  ${style.red("no answer")}\n`;
  const path = line.path === undefined ? "" : pathPaint(line.path, style)(pathText(line.path));
  const isNew = before !== undefined && line.path !== undefined && pathText(before) !== pathText(line.path);
  const note = isNew ? style.bold("  new path") : "";
  return `${seq}  ${milliseconds(line.rttMs).padStart(9)}  ${path}${note}\n`;
}

export interface PingSummary {
  readonly sent: number;
  readonly received: number;
  readonly lossPercent: number;
  readonly minMs?: number;
  readonly avgMs?: number;
  readonly maxMs?: number;
}

export function showSummary(peer: string, summary: PingSummary): string {
  const { sent, received, lossPercent, minMs, avgMs, maxMs } = summary;
  const times =
    minMs === undefined
      ? ""
      : `; min ${milliseconds(minMs)}, avg ${milliseconds(avgMs)}, max ${milliseconds(maxMs)}`;
  return `${peer}: ${sent} sent, ${received} answered, ${lossPercent}% lost${times}\n`;
}

export class Tally {
  #sent = 0;
  readonly #rtts: number[] = [];

  add(line: PingLine): void {
    this.#sent++;
    if (line.rttMs !== undefined) this.#rtts.push(line.rttMs);
  }

  summary(): PingSummary {
    const received = this.#rtts.length;
    const lossPercent = this.#sent === 0 ? 0 : Math.round((100 * (this.#sent - received)) / this.#sent);
    if (received === 0) return { sent: this.#sent, received, lossPercent };
    const sum = this.#rtts.reduce((total, rtt) => total + rtt, 0);
    return {
      sent: this.#sent,
      received,
      lossPercent,
      minMs: Math.min(...this.#rtts),
      avgMs: sum / received,
      maxMs: Math.max(...this.#rtts),
    };
  }
}
