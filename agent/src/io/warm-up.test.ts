/** What warms up must work: a throw there would keep an agent from starting. */
import { expect, test } from "bun:test";
import { nativePrimitives, portablePrimitives, sealerOf } from "@burrow/platform";
import { warmUp } from "./warm-up.ts";

test("runs through with native and portable primitives", () => {
  for (const primitives of [nativePrimitives(), portablePrimitives()]) {
    expect(() => warmUp(primitives, sealerOf(primitives))).not.toThrow();
  }
});
