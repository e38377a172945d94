/** When no relay answers: said once, with where they were tried, and again only after one has answered. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { SILENCE_MS, SilenceWatch, type Watched } from "./silence-watch.ts";

let records: LogRecord[] = [];
beforeEach(() => {
  records = [];
  configureSync({
    reset: true,
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: "burrow", lowestLevel: "warning", sinks: ["kept"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["kept"] },
    ],
  });
});
afterEach(() => resetSync());

const link = (isBound: boolean) => ({ isBound, info: { region: "eu", endpoints: ["127.0.0.1:21820"] } });

function watched(links: readonly ReturnType<typeof link>[]): Watched {
  return { hasNetmap: true, isRefused: false, links };
}

test("silence is told once, and again after an answer", () => {
  let agent = watched([link(false)]);
  const watch = new SilenceWatch(async () => agent);
  watch.close();
  const told = (from: number, to: number) => {
    records = [];
    for (let now = from; now <= to; now += 1_000) watch.look(agent, now);
    return records.map(({ message }) => message.join(""));
  };
  expect(told(0, SILENCE_MS - 1_000)).toEqual([]);
  expect(told(SILENCE_MS, 60_000)).toEqual([
    expect.stringMatching(/^no relay has answered for 5 s; tried eu at 127\.0\.0\.1:21820\. .*--advertise/),
  ]);
  agent = watched([link(true), link(false)]);
  expect(told(61_000, 70_000)).toEqual([]);
  agent = watched([]);
  expect(told(71_000, 90_000)).toEqual([expect.stringMatching(/^there is no relay yet/)]);
});
