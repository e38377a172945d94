/** How many direct paths there are at most, and which gives way to a new one. */
import { expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import type { PathTarget } from "./path.ts";
import { DIRECT_PATHS_MAX, PathTable } from "./path-table.ts";

const direct = (port: number): PathTarget => ({
  kind: "direct",
  endpoint: `198.51.100.9:${port}` as Endpoint,
});

test("a full table takes no new path while the answers of all may be on their way; then the first silent one goes", () => {
  const table = new PathTable();
  for (let port = 1; port <= DIRECT_PATHS_MAX; port++) {
    const path = table.ensure(direct(port), "peer-reflexive", 0);
    if (path !== undefined && port % 2 === 0) path.state = "silent";
  }
  expect(table.ensure(direct(1_000), "peer-reflexive", 900)).toBeUndefined();
  expect(table.ensure(direct(1_000), "peer-reflexive", 1_000)).toBeDefined();
  expect(table.of(direct(2))).toBeUndefined();
  expect(table.of(direct(1))).toBeDefined();
  expect(table.all.length).toBe(DIRECT_PATHS_MAX);
});
