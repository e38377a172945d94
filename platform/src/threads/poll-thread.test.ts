/** A thread that blocks in poll hears messages at once and in order, answers, and ends when it is told to. */
import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import { hasBatchedCalls } from "../udp/linux/system.ts";
import { PollThread } from "./poll-thread.ts";

type To = { readonly echo: number } | "backlog" | "stick" | "close";

/** What the child has not told yet. */
const UNTOLD = -1;
const backlog = new Int32Array(new SharedArrayBuffer(4));

const start = (heard: (message: number) => void, { fails }: { readonly fails: boolean }) =>
  PollThread.start<To, number, { readonly fails: boolean; readonly backlog: Int32Array }>(
    (workerData, transferList) =>
      new Worker(new URL("./poll-thread.child.ts", import.meta.url), { workerData, transferList }),
    { fails, backlog },
    heard,
  );

test.skipIf(!hasBatchedCalls())(
  "messages wake it, pass in order both ways, and the last one ends it",
  async () => {
    const heard: number[] = [];
    const thread = start((message) => heard.push(message), { fails: false });
    await thread.ready;
    for (let i = 0; i < 100; i++) thread.tell({ echo: i });
    while (heard.length < 100) await Bun.sleep(1);
    expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(await thread.close("close")).toBe(true);
    thread.tell({ echo: 1 });
    await Bun.sleep(5);
    expect(heard.length).toBe(100);
  },
);

test.skipIf(!hasBatchedCalls())("it knows how many of its messages are not heard yet", async () => {
  let heard = 0;
  const thread = start(() => heard++, { fails: false });
  await thread.ready;
  const asked = () => {
    Atomics.store(backlog, 0, UNTOLD);
    thread.tell("backlog");
    const patience = performance.now() + 10_000;
    // Without the event loop, which would hear the answers.
    while (Atomics.load(backlog, 0) === UNTOLD && performance.now() < patience) Bun.sleepSync(1);
    return Atomics.load(backlog, 0);
  };
  for (let i = 0; i < 100; i++) thread.tell({ echo: i });
  expect(asked()).toBe(100);
  while (heard < 100) await Bun.sleep(1);
  expect(asked()).toBe(0);
  await thread.close("close");
});

test.skipIf(!hasBatchedCalls())("one that is stuck is waited for no longer than it may take", async () => {
  const thread = start(() => {}, { fails: false });
  await thread.ready;
  thread.tell("stick");
  const fromMs = performance.now();
  expect(await thread.close("close", 100)).toBe(false);
  expect(performance.now() - fromMs).toBeWithin(90, 5_000);
});

test.skipIf(!hasBatchedCalls())("one that cannot start says so", async () => {
  const thread = start(() => {}, { fails: true });
  await expect(thread.ready).rejects.toThrow("no luck");
});
