/** Backups of a coordinator that runs and is written to; restored elsewhere, everybody is known there. */
import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { existsSync, lstatSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { TestCoordinator, temporaryDirectory } from "../../testing/coordinator.ts";
import { backUp, restore } from "./backup.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(): Promise<TestCoordinator> {
  const coordinator = await TestCoordinator.start();
  ends.push(() => coordinator.end());
  return coordinator;
}

async function directory(): Promise<string> {
  const path = await temporaryDirectory();
  ends.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

test("taken while agents enrol, restored elsewhere: those acknowledged before are known there, with their addresses", async () => {
  const coordinator = await started();
  const relay = await coordinator.relay({ region: "here" });
  const before = await Promise.all(
    Array.from({ length: 20 }, (_, n) => coordinator.agent({ name: `before-${n}` })),
  );
  const file = join(await directory(), "monday.db");
  const during = Promise.all(
    Array.from({ length: 20 }, (_, n) => coordinator.agent({ name: `during-${n}` })),
  );
  const made = await backUp(coordinator.stateDir, file);
  await during;
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(made).toMatchObject({ file, relays: 1 });
  expect(made.agents).toBeGreaterThanOrEqual(20);
  const unused = await coordinator.operator.createToken({ for: "agent" });

  const elsewhere = await started();
  await elsewhere.agent({ name: "is-replaced" });
  await expect(restore(file, elsewhere.stateDir)).rejects.toThrow("is in use by process");
  await elsewhere.stop();
  expect(await restore(file, elsewhere.stateDir)).toMatchObject({ agents: made.agents, relays: 1 });
  expect(existsSync(join(elsewhere.stateDir, "coordinator.db.replaced"))).toBe(true);
  await elsewhere.restart();
  const names = (await elsewhere.operator.agents()).map(({ name }) => name);
  expect(names).toHaveLength(made.agents);
  expect(names).not.toContain("is-replaced");
  for (const { client, id, welcome } of before) {
    const again = await elsewhere.client(client.privateKey).asAgent();
    expect(again.agent).toMatchObject({ id, ipv4: welcome.agent.ipv4, name: welcome.agent.name });
  }
  const relayAgain = await elsewhere.client(relay.client.privateKey).asRelay();
  expect(relayAgain.ticketKey).toBe(relay.welcome.ticketKey);
  // Made after the backup, and so unknown.
  expect((await elsewhere.operator.tokens()).map(({ id }) => id)).not.toContain(unused.id);
});

test("restored again and again, every database that was replaced is kept under a name of its own", async () => {
  const coordinator = await started();
  await coordinator.agent({ name: "in-the-backup" });
  const file = join(await directory(), "monday.db");
  await backUp(coordinator.stateDir, file);
  const kept: string[] = [];
  for (const name of ["first", "second", "third"]) {
    await coordinator.agent({ name });
    await coordinator.stop();
    const { replaced = "" } = await restore(file, coordinator.stateDir);
    kept.push(replaced);
    await coordinator.restart();
  }
  const database = join(coordinator.stateDir, "coordinator.db");
  expect(kept).toEqual(["", ".2", ".3"].map((end) => `${database}.replaced${end}`));
  const names = kept.map((path) => {
    const db = new Database(path, { readonly: true });
    const rows = db.query<{ name: string }, []>("SELECT name FROM agents ORDER BY name DESC").all();
    db.close();
    return rows.map(({ name }) => name);
  });
  expect(names).toEqual(["first", "second", "third"].map((name) => ["in-the-backup", name].sort().reverse()));
  const nowhere = await directory();
  expect(await restore(file, nowhere)).not.toHaveProperty("replaced");
});

test("a symbolic link that leads to nothing yet stays, and leads to the backup", async () => {
  const coordinator = await started();
  const place = await directory();
  const [link, target] = [join(place, "latest.db"), join(place, "monday.db")];
  symlinkSync("monday.db", link);
  expect(await backUp(coordinator.stateDir, link)).toMatchObject({ file: link });
  expect([lstatSync(link).isSymbolicLink(), lstatSync(target).isFile()]).toEqual([true, true]);
  await expect(backUp(coordinator.stateDir, link)).rejects.toThrow("is there already");
  symlinkSync("circle.db", join(place, "circle.db"));
  await expect(backUp(coordinator.stateDir, join(place, "circle.db"))).rejects.toThrow(UserError);
});

test("what is no backup is refused, and the state stays as it was", async () => {
  const coordinator = await started();
  const { id } = await coordinator.agent();
  const place = await directory();
  const good = join(place, "good.db");
  await backUp(coordinator.stateDir, good);
  await expect(backUp(coordinator.stateDir, good)).rejects.toThrow("is there already");
  await expect(backUp(place, join(place, "x.db"))).rejects.toThrow("no coordinator keeps its state");
  await expect(backUp(coordinator.stateDir, join(place, "no", "where.db"))).rejects.toThrow(UserError);
  await coordinator.stop();
  const bad = {
    "empty.db": "",
    "text.db": "a shopping list",
    "half.db": new Uint8Array(await Bun.file(good).arrayBuffer()).slice(0, 9000),
  };
  for (const [name, content] of Object.entries(bad)) {
    const file = join(place, name);
    writeFileSync(file, content);
    await expect(restore(file, coordinator.stateDir)).rejects.toThrow(UserError);
  }
  await expect(restore(join(place, "none.db"), coordinator.stateDir)).rejects.toThrow("there is no");
  expect(existsSync(join(coordinator.stateDir, "coordinator.db.replaced"))).toBe(false);
  await coordinator.restart();
  expect(await coordinator.operator.agents()).toMatchObject([{ id }]);
});
