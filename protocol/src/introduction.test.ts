/** Introductions: golden vectors, hostile bytes, and what a peer that breaks the rules cannot say. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { forge, hex, run, testParser, vectors } from "../testing/support.ts";
import type { Endpoint } from "./endpoint.ts";
import type { AgentId } from "./ids.ts";
import { encodeIntroduction, type Introduction, openIntroduction } from "./introduction.ts";
import { INTRODUCTION_LENGTH_MAX, INTRODUCTION_LENGTH_MIN, peerHeader } from "./peer-packet.ts";
import { openProbe } from "./probe.ts";
import { Refusal } from "./refusal.ts";
import { nobleSealer } from "./seal.ts";

interface IntroductionCase extends Omit<Introduction, "natPorts"> {
  readonly key: string;
  readonly nonce: string;
  readonly receiver: AgentId;
  readonly sender: AgentId;
  readonly natPorts: Introduction["natPorts"] | null;
  readonly hex: string;
}

const cases = await vectors<IntroductionCase>("introduction");
const [first] = cases;
if (first === undefined) throw new Error("no vectors");
const KEY = hex(first.key);
const open = (datagram: Uint8Array) => openIntroduction(datagram, KEY, nobleSealer);

test("introduction: golden vectors, both ways", () => {
  for (const { key, nonce, receiver, sender, hex: bytes, ...rest } of cases) {
    const { sequence, wantsAnswer, nat, candidates } = rest;
    const about = { sequence, wantsAnswer, nat, natPorts: rest.natPorts ?? undefined, candidates };
    expect(encodeIntroduction({ receiver, sender }, about, hex(key), hex(nonce), nobleSealer)).toEqual(
      hex(bytes),
    );
    expect(peerHeader(hex(bytes))).toEqual({ kind: "introduction", receiver, sender });
    expect(open(hex(bytes))).toEqual(about);
  }
});

testParser({
  name: "introduction",
  goldens: cases.map((of) => hex(of.hex)),
  parse: open,
  lengthMin: INTRODUCTION_LENGTH_MIN,
  lengthMax: INTRODUCTION_LENGTH_MAX,
});

test("introduction: anything that can be said survives the round trip", () => {
  const candidate = fc.record({
    kind: fc.constantFrom("host", "reflexive", "mapped", "stated"),
    endpoint: fc
      .tuple(fc.constantFrom("192.0.2.1", "10.0.0.7", "[2001:db8::7]"), fc.integer({ min: 1, max: 65_535 }))
      .map(([host, port]) => `${host}:${port}` as Endpoint),
  });
  const natPorts = fc.oneof(
    fc.constant(undefined),
    fc.record({ order: fc.constantFrom("preserving", "random") }),
    fc.record({
      order: fc.constant("sequential"),
      step: fc.integer({ min: 1, max: 32 }).chain((step) => fc.constantFrom(step, -step)),
      last: fc.integer({ min: 1, max: 65_535 }),
    }),
  );
  const introduction = fc.record({
    sequence: fc.maxSafeNat(),
    wantsAnswer: fc.boolean(),
    nat: fc.constantFrom("unknown", "none", "endpoint-independent", "address-dependent"),
    natPorts,
    candidates: fc.array(candidate, { maxLength: 32 }),
  });
  fc.assert(
    fc.property(introduction, (about) => {
      const { receiver, sender } = first;
      const said = about as Introduction;
      const datagram = encodeIntroduction({ receiver, sender }, said, KEY, run(0, 24), nobleSealer);
      expect(open(datagram)).toEqual(said);
    }),
  );
});

test("a peer that breaks the rules is refused by name", () => {
  const header = hex(first.hex).subarray(0, 20);
  const forged = (change: (inside: Uint8Array) => void, length = 16) => {
    const inside = new Uint8Array(length);
    change(inside);
    return open(forge(header, run(0, 24), KEY, inside));
  };
  expect(forged(() => {})).toMatchObject({ candidates: [], nat: "unknown", natPorts: undefined });
  for (const [at, value] of [
    [7, 0x20], // sequence above 2^53
    [8, 2], // a flag without a meaning
    [9, 4], // no such mapping
    [10, 4], // no such order
    [11, 1], // a step without an order
    [12, 1], // a port without an order
    [14, 1], // a candidate that is not there
    [15, 1], // zero
  ] as const) {
    expect(forged((inside) => inside.fill(value, at, at + 1))).toBe(Refusal.badField);
  }
  // Sequential, and then a step of 33 and none.
  for (const step of [33, 0]) {
    expect(forged((inside) => inside.set([2, step, 1, 0], 10))).toBe(Refusal.badField);
  }
  const one = (kind: number, port: number) =>
    forged((inside) => {
      inside[14] = 1;
      inside[16] = kind;
      inside.set([0xff, 0xff, 192, 0, 2, 1, port, 0], 27);
    }, 35);
  expect(one(1, 9)).toMatchObject({ candidates: [{ kind: "reflexive", endpoint: "192.0.2.1:9" }] });
  expect(one(4, 9)).toBe(Refusal.badField);
  expect(one(1, 0)).toBe(Refusal.badField);
});

test("an introduction is no probe, and no probe an introduction", () => {
  const datagram = hex(cases[1]?.hex ?? "");
  expect(openProbe(datagram, KEY, nobleSealer)).toBe(Refusal.badField);
  expect(openProbe(datagram.with(0, 0xb3), KEY, nobleSealer)).toBe(Refusal.badSeal);
});
