/** Probes: golden vectors, hostile bytes, and what becomes of one that is replayed or sent back. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { countingSealer, forge, hex, run, testParser, vectors } from "../testing/support.ts";
import type { Endpoint } from "./endpoint.ts";
import type { AgentId } from "./ids.ts";
import {
  encodeProbe,
  openProbe,
  PROBE_LENGTH_MAX,
  PROBE_LENGTH_MIN,
  type ProbeHeader,
  probeHeader,
  type Transaction,
  transactionOf,
} from "./probe.ts";
import { Refusal } from "./refusal.ts";
import { nobleSealer } from "./seal.ts";

interface ProbeCase extends ProbeHeader {
  readonly key: string;
  readonly nonce: string;
  readonly transaction: Transaction;
  readonly observed: Endpoint | null;
  readonly hasBegun?: true;
  readonly lengthBytes: number;
  readonly hex: string;
}

const cases = await vectors<ProbeCase>("probe");
const probes = cases.filter((of) => of.kind === "probe");
const acks = cases.filter((of) => of.kind === "probeAck");
const [probe] = probes;
const [ack] = acks;
if (probe === undefined || ack === undefined) throw new Error("no vectors");
const KEY = hex(probe.key);
const NONCE = run(0, 24);
const open = (datagram: Uint8Array) => openProbe(datagram, KEY, nobleSealer);

test("probe: golden vectors, both ways", () => {
  for (const of of cases) {
    const header = { kind: of.kind, receiver: of.receiver, sender: of.sender };
    const begun = of.hasBegun === undefined ? {} : { hasBegun: of.hasBegun };
    const body = { transaction: of.transaction, observed: of.observed ?? undefined, ...begun };
    const datagram = encodeProbe(header, body, hex(of.key), hex(of.nonce), nobleSealer, of.lengthBytes);
    expect(datagram).toEqual(hex(of.hex));
    expect(datagram.length).toBe(of.lengthBytes);
    expect(probeHeader(datagram)).toEqual(header);
    expect(open(datagram)).toEqual(body);
  }
});

testParser({
  name: "probe",
  goldens: probes.map((of) => hex(of.hex)),
  parse: open,
  lengthMin: PROBE_LENGTH_MIN,
  lengthMax: PROBE_LENGTH_MAX,
});

testParser({
  name: "probe-ack",
  goldens: acks.map((of) => hex(of.hex)),
  parse: open,
  lengthMin: PROBE_LENGTH_MIN,
  lengthMax: PROBE_LENGTH_MIN,
});

test("probe: any probe survives the round trip at any length", () => {
  const id = fc.stringMatching(/^[0-9a-f]{16}$/);
  const length = fc.integer({ min: PROBE_LENGTH_MIN, max: 1500 });
  fc.assert(
    fc.property(id, id, id, length, (receiver, sender, transaction, lengthBytes) => {
      const header = { kind: "probe", receiver: receiver as AgentId, sender: sender as AgentId } as const;
      const body = { transaction: transaction as Transaction, observed: undefined };
      const datagram = encodeProbe(header, body, KEY, NONCE, nobleSealer, lengthBytes);
      expect(datagram.length).toBe(lengthBytes);
      expect(probeHeader(datagram)).toEqual(header);
      expect(open(datagram)).toEqual(body);
    }),
  );
});

test("an ack is never larger than the smallest probe", () => {
  for (const of of acks) expect(hex(of.hex).length).toBe(PROBE_LENGTH_MIN);
  expect(probeHeader(Uint8Array.from([...hex(ack.hex), 0]))).toBe(Refusal.tooLong);
  const { kind, receiver, sender, transaction } = ack;
  const body = { transaction, observed: "192.0.2.1:1" as Endpoint };
  const long = () => encodeProbe({ kind, receiver, sender }, body, KEY, NONCE, nobleSealer, 89);
  expect(long).toThrow("length");
});

test("one key, two directions: no probe passes for an ack, nor for the other side's", () => {
  const datagram = hex(probe.hex);
  expect(open(datagram.with(0, 0xb4))).toBe(Refusal.badSeal);
  const swapped = datagram.slice();
  swapped.copyWithin(4, 12, 20);
  swapped.set(datagram.subarray(4, 12), 12);
  expect(open(swapped)).toBe(Refusal.badSeal);
  // Sent back untouched it still names its first sender as sender, whom that sender has no key with.
  expect(probeHeader(datagram)).toEqual({ kind: "probe", receiver: probe.receiver, sender: probe.sender });
});

test("a peer that breaks the rules is refused by name", () => {
  const forged = (kind: "probe" | "probeAck", change: (plaintext: Uint8Array) => void, padding = 0) => {
    const header = hex(kind === "probe" ? probe.hex : ack.hex).subarray(0, 20);
    const plaintext = new Uint8Array(28 + padding);
    change(plaintext);
    return open(forge(header, NONCE, KEY, plaintext));
  };
  expect(forged("probe", () => {}, 9)).toMatchObject({ observed: undefined });
  expect(forged("probe", (plaintext) => plaintext.fill(1, 8, 9))).toBe(Refusal.badField); // half an endpoint
  expect(forged("probe", (plaintext) => plaintext.fill(1, 24, 25))).toBe(Refusal.badField); // a port
  expect(forged("probe", (plaintext) => plaintext.fill(1, 26, 27))).toMatchObject({ hasBegun: true });
  expect(forged("probe", (plaintext) => plaintext.fill(2, 26, 27))).toBe(Refusal.badField); // no such flag
  expect(forged("probe", (plaintext) => plaintext.fill(1, 27, 28))).toBe(Refusal.badField);
  expect(forged("probe", (plaintext) => plaintext.fill(1, 36, 37), 9)).toBe(Refusal.badField); // padding
  expect(forged("probeAck", () => {})).toBe(Refusal.badField); // observed nothing
  expect(forged("probeAck", (plaintext) => plaintext.fill(1, 24, 25))).toMatchObject({ observed: "[::]:1" });
  expect(forged("probeAck", (plaintext) => plaintext.fill(1, 24, 27))).toBe(Refusal.badField);
});

test("what is wrong at sight costs no decryption", () => {
  const sealer = countingSealer();
  const datagram = hex(probe.hex);
  expect(openProbe(datagram.with(1, 2), KEY, sealer)).toBe(Refusal.badVersion);
  expect(openProbe(datagram.with(0, 0xb1), KEY, sealer)).toBe(Refusal.badField);
  expect(openProbe(datagram.with(2, 1), KEY, sealer)).toBe(Refusal.badField);
  expect(openProbe(new Uint8Array(PROBE_LENGTH_MAX + 1), KEY, sealer)).toBe(Refusal.tooLong);
  expect(sealer.opened).toBe(0);
});

test("a transaction takes eight random bytes and nothing else", () => {
  expect(transactionOf(run(1, 12))).toBe("0102030405060708" as Transaction);
  const { kind, receiver, sender } = probe;
  const body = { transaction: transactionOf(run(1, 7)), observed: undefined };
  expect(() => encodeProbe({ kind, receiver, sender }, body, KEY, NONCE, nobleSealer)).toThrow("transaction");
});
