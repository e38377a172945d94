/** The state directory: revocations are remembered for as long as a ticket may live; boots never go back. */
import { afterEach, expect, test } from "bun:test";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativePrimitives } from "@burrow/platform";
import {
  type AgentId,
  endpoint,
  type FellowRelay,
  type NetworkId,
  type RelayId,
  toBase64,
  UserError,
} from "@burrow/protocol";
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

/** The boots that a relay names which starts at these moments. */
async function bootsAt(stateDir: string, ...moments: readonly number[]): Promise<number[]> {
  const boots: number[] = [];
  for (const nowMs of moments) {
    const state = await openState(stateDir, primitives, () => nowMs);
    boots.push(state.identity.boot);
    await state.close();
  }
  return boots;
}

const MINUTE_MS = 60_000;
const IN_2027 = Date.UTC(2027, 0, 1);

test("a boot is above all before it, also above those that a directory put back from a copy has forgotten", async () => {
  const [stateDir, copy] = [await directory(), await directory()];
  const [first = 0] = await bootsAt(stateDir, IN_2027);
  await cp(stateDir, copy, { recursive: true });
  const later = await bootsAt(stateDir, ...[0, 1, 2, 3].map((n) => IN_2027 + n * MINUTE_MS), IN_2027);
  expect(later).toEqual(later.map((_, n) => first + 1 + n));
  const [restored = 0] = await bootsAt(copy, IN_2027 + 6 * MINUTE_MS);
  expect(restored).toBeGreaterThan(later.at(-1) ?? restored);
});

test("a clock that is years off, either way, leaves boots that rise", async () => {
  const stateDir = await directory();
  const boots = await bootsAt(stateDir, 0, Date.UTC(2100, 0, 1), IN_2027, 0);
  expect(boots).toEqual([1, 2, 525_600, 525_601]);
});

test("an identity whose boot is lost is not started: the way on is a new one, never an old copy", async () => {
  const stateDir = await directory();
  await bootsAt(stateDir, IN_2027);
  await rm(join(stateDir, "boot.json"));
  const failed = await bootsAt(stateDir, IN_2027).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(UserError);
  expect((failed as UserError).remedy).toContain("registration token");
  expect((failed as UserError).remedy).not.toContain("backup");
});

test("whose own another relay is, is remembered with the map", async () => {
  const stateDir = await directory();
  const state = await openState(stateDir, primitives);
  const relay: FellowRelay = {
    id: "00000000000000c1" as RelayId,
    key: toBase64(new Uint8Array(32).fill(9)) as FellowRelay["key"],
    region: "test",
    endpoints: [endpoint("192.0.2.1", 21820)],
    state: "healthy",
    network: "00000000000000d1" as NetworkId,
  };
  state.note({ type: "ticket-key", key: new Uint8Array(32).fill(1) });
  state.note({ type: "relays", relays: [relay] });
  await state.save();
  await state.close();
  const again = await openState(stateDir, primitives);
  expect(again.remembered).toContainEqual({ type: "relays", relays: [relay] });
  await again.close();
});
