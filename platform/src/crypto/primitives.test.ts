/** Native, portable and noble primitives: one contract, and the same bytes from all. */
import { describe, expect, test } from "bun:test";
import { nativePrimitives } from "./native.ts";
import { noblePrimitives, portablePrimitives } from "./portable.ts";
import { primitivesContract, referenceContract, sameResults } from "./primitives.contract.ts";

referenceContract();
primitivesContract("noble", noblePrimitives);
primitivesContract("portable", portablePrimitives());
primitivesContract("native", nativePrimitives());

test("libsodium loads on the systems that we ship to", () => {
  expect(nativePrimitives().kind).toBe("native");
  expect(portablePrimitives().kind).toBe("portable");
});

describe("native against noble", () => sameResults(nativePrimitives(), noblePrimitives));
describe("portable against noble", () => sameResults(portablePrimitives(), noblePrimitives));
