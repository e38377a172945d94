/** The portable primitives against the contract that the native ones answer to as well. */
import { expect, test } from "bun:test";
import { PRIMITIVES_CONTRACT } from "./primitives.contract.ts";
import { noblePrimitives } from "./primitives.ts";

for (const { name, check } of PRIMITIVES_CONTRACT) {
  test(`noble: ${name}`, () => expect(() => check(noblePrimitives)).not.toThrow());
}
