/** PCP's packets: goldens, everything cut off, and what liars send. */
import { expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import fc from "fast-check";
import { encodePcp, type PcpQuestion, parsePcp } from "./pcp.ts";

const QUESTION: PcpQuestion = {
  local: "192.168.1.2",
  port: 4_000,
  outsidePort: 5_000,
  nonce: Uint8Array.from({ length: 12 }, (_, i) => i + 1),
  lifetimeS: 7_200,
};
const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const NONCE = "0102030405060708090a0b0c";
const V4 = "00000000000000000000ffff";

/** The answer of a router at 203.0.113.9, as RFC 6887 draws it. */
const answer = (more: {
  result?: string;
  nonce?: string;
  port?: string;
  outside?: string;
  protocol?: string;
}) => {
  const {
    result = "00",
    nonce = NONCE,
    port = "0fa0",
    outside = `1388 ${V4}cb007109`,
    protocol = "11",
  } = more;
  return bytes(
    `02 81 00 ${result} 00000e10 00000007 ${"00".repeat(12)} ${nonce} ${protocol} 000000 ${port} ${outside}`,
  );
};

test("the question, byte by byte", () => {
  const told = `02 01 0000 00001c20 ${V4}c0a80102 ${NONCE} 11 000000 0fa0 1388 ${V4}00000000`;
  expect(encodePcp(QUESTION)).toEqual(bytes(told));
});

test("a mapping", () => {
  const mapping = { kind: "mapping", outside: "203.0.113.9:5000" as Endpoint, lifetimeS: 3_600 } as const;
  expect(parsePcp(answer({}), QUESTION)).toEqual(mapping);
  // Options may follow; they say nothing to us.
  expect(parsePcp(Uint8Array.from([...answer({}), 0, 0, 0, 0]), QUESTION)).toEqual(mapping);
});

test("an outside that cannot be one", () => {
  const outside = (of: string) => parsePcp(answer({ outside: of }), QUESTION);
  expect(outside(`0000 ${V4}cb007109`)).toMatchObject({ kind: "mapping", outside: undefined });
  expect(outside(`1388 20010db8${"00".repeat(11)}07`)).toMatchObject({ outside: "[2001:db8::7]:5000" });
});

test("refusals, with a nonce and by a router that stopped reading at the header", () => {
  expect(parsePcp(answer({ result: "02" }), QUESTION)).toMatchObject({ kind: "refused" });
  expect(parsePcp(bytes(`02 81 00 01 00000000 00000007 ${"00".repeat(12)}`), QUESTION)).toMatchObject({
    kind: "refused",
  });
  expect(parsePcp(answer({ result: "fe" }), QUESTION)).toEqual({
    kind: "refused",
    why: "it answers with code 254",
  });
});

test("what answers another question is no answer", () => {
  const others = [
    answer({ nonce: "ff".repeat(12) }),
    answer({ nonce: "ff".repeat(12), result: "02" }),
    answer({ port: "0fa1" }),
    answer({ protocol: "06" }),
    bytes(`02 81 00 00 00000e10 00000007 ${"00".repeat(12)}`),
    encodePcp(QUESTION),
  ];
  for (const other of others) expect(parsePcp(other, QUESTION)).toBeUndefined();
});

test("everything cut off, and junk, is no mapping and never throws", () => {
  const whole = answer({});
  for (let length = 0; length < whole.length; length++) {
    expect(parsePcp(whole.subarray(0, length), QUESTION)).toBeUndefined();
  }
  expect(parsePcp(Uint8Array.from([...whole, ...new Uint8Array(1_044)]), QUESTION)).toBeUndefined();
  const mutated = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, value]) => whole.with(at, value));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), mutated), (datagram) => {
      parsePcp(datagram, QUESTION);
    }),
    { numRuns: 1_000 },
  );
});

test("whatever is asked for comes back as it was", () => {
  const question = fc.record({
    local: fc.ipV4(),
    port: fc.integer({ min: 1, max: 65_535 }),
    outsidePort: fc.nat(65_535),
    nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
    lifetimeS: fc.nat(86_400),
  });
  fc.assert(
    fc.property(question, fc.integer({ min: 1, max: 65_535 }), (asked, given) => {
      const echo = encodePcp(asked);
      echo[1] = 0x81;
      echo.fill(0, 8, 24);
      echo.set([given >> 8, given & 0xff], 42);
      echo.set([198, 51, 100, 7], 56);
      const outside = `198.51.100.7:${given}` as Endpoint;
      expect(parsePcp(echo, asked)).toEqual({ kind: "mapping", outside, lifetimeS: asked.lifetimeS });
    }),
  );
});
