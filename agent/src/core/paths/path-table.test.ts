/** How many direct paths there are at most, and which gives way to a new one. */
import { expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import type { PathTarget } from "./path.ts";
import { DIRECT_PATHS_MAX, HEARSAY_PATHS_MAX, PathTable } from "./path-table.ts";

const direct = (port: number): PathTarget => ({
  kind: "direct",
  endpoint: `198.51.100.9:${port}` as Endpoint,
});

const NAMED_MAX = DIRECT_PATHS_MAX - HEARSAY_PATHS_MAX;

test("beyond the quota no path is taken that only a probe vouches for, while the answers of all may be on their way; then the first silent one goes", () => {
  const table = new PathTable();
  for (let port = 1; port <= HEARSAY_PATHS_MAX; port++) {
    const path = table.ensure(direct(port), "peer-reflexive", 0);
    if (path !== undefined && port % 2 === 0) path.state = "silent";
  }
  expect(table.ensure(direct(1_000), "peer-reflexive", 900)).toBeUndefined();
  expect(table.ensure(direct(1_000), "peer-reflexive", 1_000)).toBeDefined();
  expect(table.of(direct(2))).toBeUndefined();
  expect(table.of(direct(1))).toBeDefined();
  expect(table.all.length).toBe(HEARSAY_PATHS_MAX);
});

test("what is named finds room in a full table, first where only a probe vouches, however young", () => {
  const table = new PathTable();
  for (let port = 1; port <= HEARSAY_PATHS_MAX; port++) table.ensure(direct(port), "peer-reflexive", 0);
  for (let port = 101; port <= 100 + NAMED_MAX; port++) table.ensure(direct(port), "reflexive", 0);
  // Seen before it was named: named all the same.
  table.ensure(direct(1), "reflexive", 0);
  for (let port = 201; port < 201 + HEARSAY_PATHS_MAX; port++) {
    expect(table.ensure(direct(port), "host", 0)).toBeDefined();
    expect(table.all.length).toBe(DIRECT_PATHS_MAX);
  }
  const gone = [...Array(HEARSAY_PATHS_MAX - 1).keys()].map((i) => table.of(direct(2 + i)));
  expect(gone.every((path) => path === undefined)).toBe(true);
  // The last of them took the place of the oldest.
  expect(table.of(direct(1))).toBeUndefined();
  expect(table.of(direct(101))).toBeDefined();
});

test("no path that works gives way, and one that answered is hearsay no longer", () => {
  const table = new PathTable();
  for (let port = 1; port <= DIRECT_PATHS_MAX; port++) {
    const path = table.ensure(direct(port), "peer-reflexive", 0);
    if (path === undefined) throw new Error(`no room for ${port}`);
    path.acked = 1;
    path.state = port % 2 === 0 ? "proven" : "suspect";
  }
  expect(table.ensure(direct(1_000), "peer-reflexive", 60_000)).toBeUndefined();
  expect(table.ensure(direct(1_000), "reflexive", 60_000)).toBeUndefined();
});
