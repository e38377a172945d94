/** Clients that know nothing of Burrow are answered where they were last heard, and nobody else is remembered. */
import { expect, test } from "bun:test";
import { type AgentId, endpoint } from "@burrow/protocol";
import { OutsidePaths } from "./outside-paths.ts";
import type { PathTarget } from "./paths/path.ts";

const CLIENT = "00000000000000c1" as AgentId;
const STRANGER = "00000000000000c2" as AgentId;
const HOME: PathTarget = { kind: "direct", endpoint: endpoint("192.0.2.1", 1) };
const AWAY: PathTarget = { kind: "direct", endpoint: endpoint("192.0.2.2", 2) };

test("the latest counts; a client not heard yet, a stranger and nobody have none", () => {
  const paths = new OutsidePaths();
  paths.add(CLIENT);
  expect(paths.of(CLIENT)).toBeUndefined();
  for (const via of [HOME, AWAY]) {
    paths.heard(CLIENT, via);
    expect(paths.of(CLIENT)).toBe(via);
  }
  paths.heard(STRANGER, HOME);
  expect([paths.of(STRANGER), paths.of(undefined)]).toEqual([undefined, undefined]);
});
