/** `burrow demo` put together: starts the mesh, plays the scenario, reports, and leaves nothing behind. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentEvent } from "@burrow/agent";
import { StopSignal, within } from "../daemon.ts";
import { Negative } from "../failure.ts";
import type { Terminal } from "../terminal.ts";
import { EmulatedInternet } from "./internet.ts";
import { Cleanup, startMesh } from "./mesh.ts";
import type { Site } from "./places.ts";
import { closingTable, type DemoReport, emulatedRtts, introduction, round } from "./report.ts";
import { type Observed, playScenario, type Step } from "./scenario.ts";
import { StallWatch } from "./stall-watch.ts";
import { entryPrinter, Interrupted, Timeline } from "./timeline.ts";

/** The whole of it, stuck or not. */
const DEMO_TIMEOUT_MS = 20_000;
const CLEANUP_TIMEOUT_MS = 5_000;
const WHO_WIDTH = "coordinator".length;

export async function demo(terminal: Terminal, json: boolean): Promise<void> {
  const abort = new AbortController();
  const directory = mkdtempSync(join(tmpdir(), "burrow-demo-"));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true });
  // A second signal ends the process at once; even then nothing stays on the disk.
  process.once("exit", removeDirectory);
  const signal = new StopSignal(() => abort.abort());
  const timeline = new Timeline(abort.signal, json ? undefined : entryPrinter(terminal, WHO_WIDTH));
  const cleanup = new Cleanup();
  if (!json) terminal.out(introduction(terminal.outStyle));
  let steps: Step[];
  try {
    const play = within(DEMO_TIMEOUT_MS, run(directory, timeline, cleanup), "the demo took too long");
    steps = await play;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    terminal.err("interrupted; stopping everything\n");
    throw new Negative();
  } finally {
    abort.abort();
    await within(CLEANUP_TIMEOUT_MS, cleanup.run(), "the demo's parts did not stop").finally(() => {
      signal.close();
      process.off("exit", removeDirectory);
      removeDirectory();
    });
  }
  report(terminal, json, timeline, steps);
  if (!steps.every(({ ok }) => ok)) throw new Negative();
}

/** The reason names the region itself, mostly: once is enough. */
function homeText({ region = "none", reason }: Extract<AgentEvent, { type: "home" }>): string {
  return `home is ${region}: ${reason.replace(`: ${region} at `, ", ")}`;
}

async function run(directory: string, timeline: Timeline, cleanup: Cleanup): Promise<Step[]> {
  const internet = new EmulatedInternet();
  cleanup.add(async () => internet.close());
  const stalls = new StallWatch();
  cleanup.add(async () => stalls.close());
  const observed: Observed = { regions: new Map(), homes: new Map(), pathChanges: [] };
  const regionOf = (relay: string) => observed.regions.get(relay) ?? relay;
  const onAgentEvent = (site: Site, event: AgentEvent, atMs: number) => {
    if (event.type === "home") {
      const before = observed.homes.get(site);
      observed.homes.set(site, event);
      const standby = event.standby === undefined ? "none" : regionOf(event.standby);
      if (before?.home !== event.home) {
        timeline.note(site.name, "home", homeText(event), atMs);
      }
      if (before?.standby !== event.standby && event.standby !== undefined) {
        timeline.note(site.name, "standby", `standby is ${standby}`, atMs);
      }
    } else if (event.type === "path") {
      observed.pathChanges.push({ site, atMs, to: event.to });
      // Before anybody talks paths are only plans.
      if (event.reason === "idle") return;
      const kind = event.to?.kind ?? "none";
      const where = event.to?.kind === "relay" ? `relay ${regionOf(event.to.relay)}` : kind;
      timeline.note(site.name, kind, `path to ${event.name}: ${where} (${event.reason})`, atMs);
    }
  };
  const { regions } = observed;
  const mesh = await startMesh({ internet, directory, timeline, cleanup, regions, onAgentEvent });
  return playScenario(mesh, internet, observed, timeline, stalls);
}

function report(terminal: Terminal, json: boolean, timeline: Timeline, steps: readonly Step[]): void {
  const ok = steps.every((step) => step.ok);
  if (!json) {
    terminal.out(closingTable(steps, terminal.outStyle));
    return;
  }
  const document: DemoReport = {
    ok,
    elapsedMs: round(timeline.nowMs),
    emulatedRttMs: emulatedRtts(),
    steps,
    timeline: timeline.entries
      .map((entry) => ({ ...entry, atMs: round(entry.atMs) }))
      .toSorted((a, b) => a.atMs - b.atMs),
  };
  terminal.out(`${JSON.stringify(document, null, 2)}\n`);
}
