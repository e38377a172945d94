/** The SQLite store: the contract, and what its file may be. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endpoint, keyToText, type NetworkId, UserError } from "@burrow/protocol";
import { temporaryDirectory } from "../../testing/coordinator.ts";
import { keyOf } from "../../testing/mesh.ts";
import { openSqliteStore } from "./sqlite.ts";
import { refuseEmptied } from "./sqlite-file.ts";
import { storeContract } from "./store.contract.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await temporaryDirectory();
  path = join(directory, "coordinator.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

storeContract("sqlite", async () => {
  const store = openSqliteStore(path);
  return { store, reopen: async () => openSqliteStore(path), end: () => store.close() };
});

function refusalToOpen(): UserError {
  try {
    openSqliteStore(path);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("it was opened");
}

/** The file is refused, and neither changed nor given company. */
function expectUntouched(problem: string): void {
  const before = readFileSync(path);
  expect(refusalToOpen().message).toContain(problem);
  expect(refusalToOpen().remedy).not.toBe("");
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(directory)).toEqual(["coordinator.db"]);
}

describe("the file", () => {
  test("is the owner's alone, and one file when closed", async () => {
    const store = openSqliteStore(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await store.check();
    await store.close();
    expect(readdirSync(directory)).toEqual(["coordinator.db"]);
  });

  test("that is no database is refused and left alone", () => {
    writeFileSync(path, "this is not a database, but long enough to be taken for one");
    expectUntouched("it is not an SQLite database");
    writeFileSync(path, "x");
    expectUntouched("it is not an SQLite database");
  });

  test("that is damaged is refused and left alone", async () => {
    const store = openSqliteStore(path);
    await store.createToken(
      {
        hash: "aa",
        kind: "agent",
        networkName: "n",
        freshNetworkId: "0000000000000001" as NetworkId,
        usesMax: 500,
        expiresAtMs: 2,
      },
      0,
    );
    const agents = Array.from({ length: 500 }, (_, n) =>
      store.enrolAgent({ key: keyToText(keyOf(n)), tokenHash: "aa", version: "1" }, 1),
    );
    await Promise.all(agents);
    await store.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4096 * 5, 4096 * 12);
    writeFileSync(path, bytes);
    expectUntouched("cannot be used");
    writeFileSync(path, bytes.subarray(0, 5000));
    expectUntouched("cannot be used");
  });

  test("of another program is refused and left alone", () => {
    const db = new Database(path, { create: true });
    db.run("CREATE TABLE cookies (id)");
    db.close();
    expectUntouched("another program");
  });

  test("of a newer version is refused and left alone", async () => {
    await openSqliteStore(path).close();
    const db = new Database(path);
    db.run("PRAGMA user_version = 99");
    db.close();
    expectUntouched("newer version");
  });

  test("that is empty, as after a death in its first moment, is a new one", async () => {
    writeFileSync(path, "");
    const store = openSqliteStore(path);
    expect(await store.load()).toEqual({ agents: [], relays: [], networks: [] });
    await store.close();
  });

  test("that cannot be made is a user's error", () => {
    path = join(directory, "missing", "coordinator.db");
    expect(refusalToOpen().message).toContain("cannot be used");
  });
});

test("an empty file is a new database, but not for a coordinator that has run before", async () => {
  refuseEmptied(path);
  writeFileSync(path, "");
  expect(() => refuseEmptied(path)).toThrow("it is empty, though this coordinator has run before");
  await openSqliteStore(path).close();
  refuseEmptied(path);
});

describe("a transaction that fails", () => {
  test("changes nothing, and takes neither those beside it nor the next one down", async () => {
    const store = openSqliteStore(path);
    const at = [endpoint("192.0.2.1", 1)];
    const token = {
      hash: "aa",
      kind: "relay",
      networkName: "n",
      freshNetworkId: "0000000000000001" as NetworkId,
      usesMax: 5,
      expiresAtMs: 2,
    } as const;
    await store.createToken(token, 0);
    const request = (n: number, freshTicketKey: Uint8Array) =>
      store.enrolRelay(
        {
          key: keyToText(keyOf(n)),
          tokenHash: "aa",
          region: "r",
          endpoints: at,
          version: "1",
          freshTicketKey,
        },
        1,
      );
    const outcomes = await Promise.allSettled([request(1, keyOf(1)), request(2, new Uint8Array(3))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((await store.load()).relays).toHaveLength(1);
    expect((await request(2, keyOf(2))).kind).toBe("enrolled");
    await store.close();
    await expect(store.check()).rejects.toThrow("closed");
  });
});
