/** What the log tells people of an agent's life: what is news to them, once, with relays by their region. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { RelayId } from "@burrow/protocol";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import type { AgentEvent } from "../core/events.ts";
import { World } from "./world.ts";

const [R1, R2] = ["1".repeat(16), "2".repeat(16)] as [RelayId, RelayId];
let records: LogRecord[] = [];
beforeEach(() => {
  records = [];
  configureSync({
    reset: true,
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: "burrow", lowestLevel: "info", sinks: ["kept"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["kept"] },
    ],
  });
});
afterEach(() => resetSync());

function told(...events: readonly AgentEvent[]): readonly string[] {
  const device = { kind: "none" } as const;
  const world = new World(
    { coordinatorUrl: "http://127.0.0.1:9", stateDir: "/nowhere", port: 0, device },
    undefined,
    1,
  );
  for (const event of events) world.heard({ type: "event", event, atMs: 0 });
  return records.map(({ message }) => message.join(""));
}

test("a home is told when it changes, and not when its standby does", () => {
  const home = { type: "home", home: R1, region: "eu", reason: "first to answer" } as const;
  const lines = told(
    { ...home, standby: undefined },
    { ...home, standby: R2 },
    { ...home, home: R2, region: "us", standby: R1 },
  );
  expect(lines).toEqual(["home relay: eu (first to answer)", "home relay: us (first to answer)"]);
});

test("of peers to whom nobody talks nothing is told", () => {
  const path = { type: "path", peer: "a".repeat(16) as never, name: "bob", from: undefined } as const;
  const lines = told(
    { ...path, to: { kind: "relay", relay: R1 }, reason: "idle" },
    { ...path, to: { kind: "relay", relay: R1 }, reason: "only-path" },
  );
  expect(lines).toEqual([`bob: relay ${R1} (only-path)`]);
});
