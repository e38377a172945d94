/** Numbers as the local API tells them. */
import { expect, test } from "bun:test";
import { told } from "./local-api.ts";

test("moments are whole, durations have no digits that mean nothing, counts are as they are", () => {
  const view = {
    sinceMs: 1_795_664_554_207.6008,
    rttMs: 2.095947265625,
    bytes: 1_795_664_554_208,
    loss: 0.03125,
    none: undefined,
    list: [0.1 + 0.2, null, "2.0959"],
  };
  expect(told(view)).toBe(
    '{"sinceMs":1795664554208,"rttMs":2.096,"bytes":1795664554208,"loss":0.031,"list":[0.3,null,"2.0959"]}',
  );
});
