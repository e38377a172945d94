/** The state directory: revocations are remembered for as long as a ticket may live, and not for ever. */
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativePrimitives } from "@burrow/platform";
import type { AgentId } from "@burrow/protocol";
import { REVOCATION_LIFE_MS } from "../core/limits.ts";
import { openState } from "./state.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const primitives = nativePrimitives();
const [early, late] = ["00000000000000a1", "00000000000000a2"] as [AgentId, AgentId];

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "burrow-state-"));
  cleanups.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** Who is revoked according to what a relay remembers that starts at `nowMs`. */
async function revokedAt(stateDir: string, nowMs: number): Promise<AgentId[]> {
  const state = await openState(stateDir, primitives, () => nowMs);
  const revoked = state.remembered.flatMap((update) => (update.type === "revoke" ? [update.agent] : []));
  await state.close();
  return revoked;
}

test("a revocation is forgotten when no ticket of that time can be good any more", async () => {
  const stateDir = await directory();
  let nowMs = 1_000;
  const state = await openState(stateDir, primitives, () => nowMs);
  state.note({ type: "ticket-key", key: new Uint8Array(32).fill(1) });
  state.note({ type: "revoke", agent: early });
  nowMs += REVOCATION_LIFE_MS;
  state.note({ type: "revoke", agent: late });
  await state.save();
  await state.close();
  expect(await revokedAt(stateDir, nowMs)).toEqual([early, late]);
  expect(await revokedAt(stateDir, nowMs + 1)).toEqual([late]);
});

test("what is past its time leaves the file with the next that is written", async () => {
  const stateDir = await directory();
  let nowMs = 1_000;
  const state = await openState(stateDir, primitives, () => nowMs);
  state.note({ type: "ticket-key", key: new Uint8Array(32).fill(1) });
  for (let n = 0; n < 1_000; n++) {
    nowMs += REVOCATION_LIFE_MS / 10;
    state.note({ type: "revoke", agent: n.toString(16).padStart(16, "0") as AgentId });
  }
  await state.save();
  await state.close();
  const file = JSON.parse(await readFile(join(stateDir, "coordinator.json"), "utf8")) as {
    revoked: unknown[];
  };
  expect(file.revoked.length).toBe(11);
});

test("a file of an earlier version, which named no times, is read; its revocations begin to age", async () => {
  const stateDir = await directory();
  const state = await openState(stateDir, primitives);
  state.note({ type: "ticket-key", key: new Uint8Array(32).fill(1) });
  await state.save();
  await state.close();
  const path = join(stateDir, "coordinator.json");
  const file = JSON.parse(await readFile(path, "utf8")) as object;
  await writeFile(path, JSON.stringify({ ...file, revoked: [early] }));
  expect(await revokedAt(stateDir, 5)).toEqual([early]);
});
