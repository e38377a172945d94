/** Bind and Bound: golden vectors, hostile bytes, hostile holders of the key, and no amplification. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { countingSealer, forge, hex, run, testParser, vectors } from "../testing/support.ts";
import {
  BIND_LENGTH_MAX,
  BIND_LENGTH_MIN,
  type Bind,
  BindStatus,
  BOUND_LENGTH,
  type Bound,
  bindTicket,
  encodeBind,
  encodeBound,
  FLOWS_PER_BIND_MAX,
  type Flow,
  openBind,
  openBound,
} from "./bind.ts";
import type { Endpoint } from "./endpoint.ts";
import type { AgentId } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { nobleSealer } from "./seal.ts";

interface BindCase {
  readonly ticket: string;
  readonly sessionKey: string;
  readonly nonce: string;
  readonly sequence: number;
  readonly cookie: string;
  readonly leaving: boolean;
  readonly flows: readonly Flow[];
  readonly hex: string;
}

interface BoundCase {
  readonly sessionKey: string;
  readonly nonce: string;
  readonly sequence: number;
  readonly status: BindStatus;
  readonly observed: Endpoint;
  readonly cookie: string;
  readonly lifetimeS: number;
  readonly hex: string;
}

const binds = await vectors<BindCase>("bind");
const bounds = await vectors<BoundCase>("bound");
const [firstBind] = binds;
const [firstBound] = bounds;
if (firstBind === undefined || firstBound === undefined) throw new Error("no vectors");
const TICKET = hex(firstBind.ticket);
const KEY = hex(firstBind.sessionKey);
const NONCE = run(0, 24);

const bindOf = ({ sequence, cookie, leaving, flows }: BindCase): Bind => {
  return { sequence, cookie: hex(cookie), leaving, flows };
};
const boundOf = ({ sequence, status, observed, cookie, lifetimeS }: BoundCase): Bound => {
  return { sequence, status, observed, cookie: hex(cookie), lifetimeS };
};

test("bind: golden vectors, both ways", () => {
  for (const of of binds) {
    const datagram = encodeBind(bindOf(of), hex(of.ticket), hex(of.sessionKey), hex(of.nonce), nobleSealer);
    expect(datagram).toEqual(hex(of.hex));
    expect(openBind(datagram, hex(of.sessionKey), nobleSealer)).toEqual(bindOf(of));
    expect(bindTicket(datagram)).toEqual(hex(of.ticket));
  }
});

test("bound: golden vectors, both ways, one for each status", () => {
  for (const of of bounds) {
    const datagram = encodeBound(boundOf(of), hex(of.sessionKey), hex(of.nonce), nobleSealer);
    expect(datagram).toEqual(hex(of.hex));
    expect(openBound(datagram, hex(of.sessionKey), nobleSealer)).toEqual(boundOf(of));
  }
  expect(bounds.map((of) => of.status).sort()).toEqual(Object.values(BindStatus).sort());
});

testParser({
  name: "bind",
  goldens: binds.map((of) => hex(of.hex)),
  parse: (datagram) => openBind(datagram, KEY, nobleSealer),
  lengthMin: BIND_LENGTH_MIN,
  lengthMax: BIND_LENGTH_MAX,
});

testParser({
  name: "bound",
  goldens: bounds.map((of) => hex(of.hex)),
  parse: (datagram) => openBound(datagram, KEY, nobleSealer),
  lengthMin: BOUND_LENGTH,
  lengthMax: BOUND_LENGTH,
});

const anyBytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const agent = fc.stringMatching(/^[0-9a-f]{16}$/) as fc.Arbitrary<AgentId>;

test("bind: any Bind survives the round trip, at a length that tells its flows", () => {
  const any = fc.record({
    sequence: fc.maxSafeNat(),
    cookie: anyBytes(16),
    leaving: fc.boolean(),
    flows: fc.array(fc.record({ receiverIndex: u32, agent }), { maxLength: FLOWS_PER_BIND_MAX }),
  });
  fc.assert(
    fc.property(any, (bind) => {
      const datagram = encodeBind(bind, TICKET, KEY, NONCE, nobleSealer);
      expect(datagram.length).toBe(BIND_LENGTH_MIN + 12 * bind.flows.length);
      expect(openBind(datagram, KEY, nobleSealer)).toEqual(bind);
    }),
  );
});

test("a Bound is smaller than the smallest Bind, and a Bind fits IPv6's smallest MTU", () => {
  expect(BOUND_LENGTH).toBeLessThan(BIND_LENGTH_MIN);
  expect(BIND_LENGTH_MAX + 40 + 8).toBeLessThanOrEqual(1280);
});

test("a Bind is no Bound: the same key, but neither passes for the other", () => {
  const bind = hex(firstBind.hex);
  const bound = hex(firstBound.hex);
  expect(openBound(bind.subarray(0, BOUND_LENGTH), KEY, nobleSealer)).toBe(Refusal.badField);
  expect(openBound(bound.with(0, 0xb1), KEY, nobleSealer)).toBe(Refusal.badField);
  expect(openBind(bind.with(0, 0xb2), KEY, nobleSealer)).toBe(Refusal.badField);
});

test("bind: another's ticket does not go with this session key's seal", () => {
  const other = TICKET.slice();
  other[50] = (other[50] ?? 0) ^ 1;
  const datagram = hex(firstBind.hex);
  datagram.set(other, 4);
  expect(openBind(datagram, KEY, nobleSealer)).toBe(Refusal.badSeal);
});

test("bind: an agent that breaks the rules is refused by name", () => {
  const header = hex(firstBind.hex).subarray(0, 128);
  const open = (change: (plaintext: Uint8Array) => void, flows = 0): unknown => {
    const plaintext = new Uint8Array(28 + 12 * flows);
    change(plaintext);
    return openBind(forge(header, NONCE, KEY, plaintext), KEY, nobleSealer);
  };
  expect(open(() => {})).toMatchObject({ sequence: 0, leaving: false, flows: [] });
  expect(open((plaintext) => plaintext.fill(0xff, 0, 8))).toBe(Refusal.badField); // sequence past 2^53
  expect(open((plaintext) => plaintext.fill(2, 24, 25))).toBe(Refusal.badField); // a flag that means nothing
  expect(open((plaintext) => plaintext.fill(1, 26, 27))).toBe(Refusal.badField);
  expect(open((plaintext) => plaintext.fill(255, 25, 26))).toBe(Refusal.badField); // counts what is not there
  expect(open((plaintext) => plaintext.fill(1, 25, 26), 2)).toBe(Refusal.badField); // holds what is not counted
  expect(open((plaintext) => plaintext.fill(64, 25, 26), 64)).toMatchObject({ sequence: 0 });
});

test("bound: a relay that breaks the rules is refused by name", () => {
  const header = Uint8Array.of(0xb2, 1, 0, 0);
  const open = (change: (plaintext: Uint8Array) => void): unknown => {
    const plaintext = new Uint8Array(46);
    plaintext[26] = 1; // a port
    change(plaintext);
    return openBound(forge(header, NONCE, KEY, plaintext), KEY, nobleSealer);
  };
  expect(open(() => {})).toMatchObject({ status: 0, observed: "[::]:1" });
  expect(open((plaintext) => plaintext.fill(5, 8, 9))).toBe(Refusal.badField);
  expect(open((plaintext) => plaintext.fill(1, 9, 10))).toBe(Refusal.badField);
  expect(open((plaintext) => plaintext.fill(0, 26, 28))).toBe(Refusal.badField);
});

test("what is wrong at sight costs no decryption", () => {
  const sealer = countingSealer();
  const bind = hex(firstBind.hex);
  const bound = hex(firstBound.hex);
  expect(openBind(bind.with(1, 2), KEY, sealer)).toBe(Refusal.badVersion);
  expect(openBind(bind.with(2, 1), KEY, sealer)).toBe(Refusal.badField);
  expect(openBind(bind.with(3, 1), KEY, sealer)).toBe(Refusal.badField);
  expect(openBind(new Uint8Array(BIND_LENGTH_MAX + 1), KEY, sealer)).toBe(Refusal.tooLong);
  expect(openBound(bound.with(1, 0), KEY, sealer)).toBe(Refusal.badVersion);
  expect(openBound(bound.with(3, 9), KEY, sealer)).toBe(Refusal.badField);
  expect(sealer.opened).toBe(0);
});

test("bind: more flows than fit are a programmer's error, not fewer flows", () => {
  const flow = { receiverIndex: 1, agent: "0011223344556677" as AgentId };
  const flows = Array.from({ length: FLOWS_PER_BIND_MAX + 1 }, () => flow);
  const bind = { sequence: 1, cookie: new Uint8Array(16), leaving: false, flows };
  expect(() => encodeBind(bind, TICKET, KEY, NONCE, nobleSealer)).toThrow("more flows");
  const long = { ...boundOf(firstBound), lifetimeS: 65_536 };
  expect(() => encodeBound(long, KEY, NONCE, nobleSealer)).toThrow("16 bits");
});
