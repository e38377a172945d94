/** Heartbeats' counters: the latest while the data plane answers, none when it is stuck. */
import { expect, test } from "bun:test";
import type { DataPlaneSnapshot } from "./data-plane.ts";
import { LoadReport, SILENT_MAX_MS } from "./load-report.ts";

/** A data plane that answers when the test says so. */
function plane() {
  const asked: PromiseWithResolvers<DataPlaneSnapshot>[] = [];
  const snapshot = () => {
    const answer = Promise.withResolvers<DataPlaneSnapshot>();
    asked.push(answer);
    return answer.promise;
  };
  const answer = async (packets: number) => {
    const drops = { malformed: 2, "unknown-flow": 0 };
    asked.shift()?.resolve({ forwarder: { sessions: 1, flows: 2, packets, bytes: 4, drops } } as never);
    await Promise.resolve();
  };
  return { asked, answer, report: new LoadReport({ snapshot }) };
}

test("what was asked for at one beat is told at the next", async () => {
  const { report, answer } = plane();
  expect(report.take(0)).toEqual({ sessions: 0, flows: 0, packets: 0, bytes: 0, drops: {} });
  await answer(3);
  expect(report.take(1_000)).toEqual({
    sessions: 1,
    flows: 2,
    packets: 3,
    bytes: 4,
    drops: { malformed: 2 },
  });
});

test("a data plane that is stuck has nothing to tell, and is asked once at a time", async () => {
  const { report, answer, asked } = plane();
  report.take(0);
  await answer(3);
  for (let now = 1_000; now < 1_000 + SILENT_MAX_MS; now += 1_000) expect(report.take(now)?.packets).toBe(3);
  expect(asked).toHaveLength(1);
  expect(report.take(1_000 + SILENT_MAX_MS)).toBeUndefined();
  expect(report.take(60_000)).toBeUndefined();
  await answer(9);
  expect(report.take(61_000)?.packets).toBe(9);
});

test("failures count as silence too; a pause of this process does not", async () => {
  const { report, answer, asked } = plane();
  report.take(0);
  for (let now = 1_000; now <= SILENT_MAX_MS; now += 1_000) {
    asked.shift()?.reject(new Error("stuck"));
    await Promise.resolve();
    expect(report.take(now) === undefined).toBe(now >= SILENT_MAX_MS);
  }
  await answer(5);
  expect(report.take(100_000)?.packets).toBe(5);
});
