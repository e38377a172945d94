/** The primitives that the engine is given, portable and native, against what it takes them to be. */
import { expect, test } from "bun:test";
import { nativePrimitives } from "@burrow/platform";
import { PRIMITIVES_CONTRACT } from "./primitives.contract.ts";
import { noblePrimitives } from "./primitives.ts";

const native = nativePrimitives();

for (const [label, primitives] of [
  ["noble", noblePrimitives],
  [native.kind, native],
] as const) {
  for (const { name, check } of PRIMITIVES_CONTRACT) {
    test(`${label}: ${name}`, () => expect(() => check(primitives)).not.toThrow());
  }
}
