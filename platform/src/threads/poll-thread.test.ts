/** A thread that blocks in poll hears messages at once and in order, answers, and ends when it is told to. */
import { expect, test } from "bun:test";
import { closeSync, fstatSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { closeDescriptor, hasBatchedCalls, signalEvent } from "../udp/linux/system.ts";
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

test.skipIf(!hasBatchedCalls())(
  "who may wake it writes to nothing else after it has ended, whatever opens there",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "burrow-event-"));
    const thread = start(() => {}, { fails: false });
    await thread.ready;
    const eventFd = thread.shareEvent();
    await thread.close("close");
    // The kernel gives the lowest numbers that are free: one of these files has that of the thread's own event.
    const files = Array.from({ length: 32 }, (_, i) => openSync(join(directory, `${i}`), "w"));
    signalEvent(eventFd);
    expect(files.map((fd) => fstatSync(fd).size)).toEqual(files.map(() => 0));
    for (const fd of files) closeSync(fd);
    closeDescriptor(eventFd);
    await rm(directory, { recursive: true });
  },
);

test.skipIf(!hasBatchedCalls())("one that cannot start says so", async () => {
  const thread = start(() => {}, { fails: true });
  await expect(thread.ready).rejects.toThrow("no luck");
});
