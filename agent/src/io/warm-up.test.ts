/** What warms up must work: a throw there would keep an agent from starting, and what does not happen stays cold. */
import { expect, test } from "bun:test";
import { nativePrimitives, portablePrimitives, sealerOf } from "@burrow/platform";
import { Meeting, warmUp } from "./warm-up.ts";

test("runs through with native and portable primitives", () => {
  for (const primitives of [nativePrimitives(), portablePrimitives()]) {
    expect(() => warmUp(primitives, sealerOf(primitives))).not.toThrow();
  }
});

test("two agents meet by a relay, hear each other, and end on their direct path", () => {
  const primitives = nativePrimitives();
  const meeting = new Meeting(primitives, sealerOf(primitives)).run();
  expect(meeting.answered).toBeGreaterThan(15);
  expect(meeting.isDirect).toBe(true);
});
