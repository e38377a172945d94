/** kill -9 at any moment: what was acknowledged is there, and nothing is half-written. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { agentIdOf } from "@burrow/protocol";
import { temporaryDirectory } from "../../testing/coordinator.ts";
import { keyOf } from "../../testing/mesh.ts";
import { openSqliteStore } from "./sqlite.ts";

const KILLS = 20;
const AGENTS_PER_LIFE = 10_000;

/** Runs a child until it has acknowledged `acknowledgements`, kills it, and returns all that it said. */
async function life(path: string, n: number, acknowledgements: number): Promise<string[]> {
  const child = Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, "crash.child.ts"),
      path,
      String(n * AGENTS_PER_LIFE),
      `hash-${n}`,
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").length > acknowledgements) child.kill("SIGKILL");
  }
  await child.exited;
  // A line that was cut off was not heard: no acknowledgement.
  return text.split("\n").slice(0, -1);
}

test("a coordinator's store killed again and again while it enrols agents", async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, "coordinator.db");
  const acknowledged = new Map<string, number>();
  const tokensMade: string[] = [];
  for (let n = 0; n < KILLS; n++) {
    // From before its first token on to past its last use.
    const lines = await life(path, n, n === 0 ? 0 : Math.floor((n * 230) / KILLS));
    if (lines.includes("token")) tokensMade.push(`hash-${n}`);
    for (const line of lines) {
      const [agent, address] = line.split(" ");
      if (address !== undefined) acknowledged.set(agentIdOf(keyOf(Number(agent))), Number(address));
    }
  }
  expect(acknowledged.size).toBeGreaterThan(KILLS * 20);

  const store = openSqliteStore(path);
  const { agents } = await store.load();
  await store.close();
  const byId = new Map<string, number>(agents.map(({ id, addressIndex }) => [id, addressIndex]));
  for (const [id, address] of acknowledged) expect(byId.get(id)).toBe(address);
  expect(new Set(byId.values()).size).toBe(agents.length);
  expect(new Set(agents.map(({ name }) => name)).size).toBe(agents.length);

  const db = new Database(path, { readonly: true });
  expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  const tokens = db.query<{ hash: string; uses: number; uses_max: number }, []>("SELECT * FROM tokens").all();
  for (const { uses, uses_max } of tokens) expect(uses).toBeLessThanOrEqual(uses_max);
  for (const hash of tokensMade) expect(tokens.map((token) => token.hash)).toContain(hash);
  // Each use is an agent and each agent a use: neither was written without the other.
  expect(tokens.reduce((sum, { uses }) => sum + uses, 0)).toBe(agents.length);
  db.close();
  rmSync(directory, { recursive: true });
}, 60_000);
