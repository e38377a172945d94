/** Trunk packets: golden vectors, hostile bytes, direction, and what may not travel inside. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hex, run, testParser, vectors } from "../testing/support.ts";
import type { AgentId, RelayId } from "./ids.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import { nobleAgreement, trunkKey } from "./seal.ts";
import {
  encodeTrunk,
  nobleTrunkMac,
  type RelayTag,
  relayTagOf,
  TRUNK_LENGTH_MIN,
  TRUNK_OVERHEAD,
  type TrunkHeader,
  trunkHeader,
  trunkPacket,
  verifyTrunk,
} from "./trunk.ts";

interface TrunkCase extends TrunkHeader {
  readonly key: string;
  readonly packet: string;
  readonly hex: string;
}

const cases = await vectors<TrunkCase>("trunk");
const [first] = cases;
if (first === undefined) throw new Error("no vectors");
const KEY = hex(first.key);

const headerOf = ({ boot, sender, counter, source, destination }: TrunkCase): TrunkHeader => {
  return { boot, sender, counter, source, destination };
};

function open(datagram: Uint8Array): TrunkHeader | Refusal {
  const header = trunkHeader(datagram);
  if (isRefusal(header)) return header;
  return verifyTrunk(datagram, header, KEY, nobleTrunkMac) ? header : Refusal.badSeal;
}

test("trunk: golden vectors, both ways", () => {
  for (const of of cases) {
    const datagram = encodeTrunk(headerOf(of), hex(of.packet), hex(of.key), nobleTrunkMac);
    expect(datagram).toEqual(hex(of.hex));
    expect(datagram.length).toBe(TRUNK_OVERHEAD + hex(of.packet).length);
    expect(open(datagram)).toEqual(headerOf(of));
    expect(trunkPacket(datagram)).toEqual(hex(of.packet));
  }
});

testParser({
  name: "trunk",
  goldens: cases.map((of) => hex(of.hex)),
  parse: open,
  lengthMin: TRUNK_LENGTH_MIN,
  lengthMax: Number.POSITIVE_INFINITY,
});

test("trunk: any header survives the round trip", () => {
  const id = fc.stringMatching(/^[0-9a-f]{16}$/) as fc.Arbitrary<AgentId>;
  const any = fc.record({
    boot: fc.integer({ min: 0, max: 0xff_ffff }),
    sender: fc.stringMatching(/^[0-9a-f]{8}$/) as fc.Arbitrary<RelayTag>,
    counter: fc.maxSafeNat(),
    source: id,
    destination: id,
  });
  fc.assert(
    fc.property(any, fc.integer({ min: 32, max: 1500 }), (header, length) => {
      const packet = new Uint8Array(length);
      packet[0] = 4;
      const datagram = encodeTrunk(header, packet, KEY, nobleTrunkMac);
      expect(open(datagram)).toEqual(header);
      expect(trunkPacket(datagram)).toEqual(packet);
    }),
  );
});

test("the two directions have two keys, and a packet sent back is refused", () => {
  const [a, b] = [run(0x10, 32), run(0x80, 32)];
  const shared = nobleAgreement(run(1, 32), run(9, 32)) ?? a;
  const there = trunkKey(shared, a, b);
  const back = trunkKey(shared, b, a);
  expect(there).not.toEqual(back);
  const datagram = encodeTrunk(headerOf(first), hex(first.packet), there, nobleTrunkMac);
  expect(verifyTrunk(datagram, headerOf(first), there, nobleTrunkMac)).toBe(true);
  expect(verifyTrunk(datagram, headerOf(first), back, nobleTrunkMac)).toBe(false);
});

test("boot and counter make the nonce: no two packets of a relay share one", () => {
  const nonces = new Set<string>();
  const collect = (boot: number, counter: number) =>
    encodeTrunk({ ...headerOf(first), boot, counter }, hex(first.packet), KEY, (_key, nonce) => {
      expect(nonce.length).toBe(12);
      nonces.add(nonce.toHex());
      return new Uint8Array(16);
    });
  for (const boot of [0, 1, 256, 65_536, 0xff_ffff]) {
    for (const counter of [0, 1, 256, 2 ** 32, Number.MAX_SAFE_INTEGER]) collect(boot, counter);
  }
  expect(nonces.size).toBe(25);
  expect(() => collect(0x100_0000, 0)).toThrow("24 bits");
});

test("only agents' packets travel by trunk: no Bind, no Bound, no trunk within a trunk", () => {
  const outer = headerOf(first);
  const inner = (byte: number) => {
    const packet = new Uint8Array(64);
    packet[0] = byte;
    return packet;
  };
  for (const byte of [0, 5, 0xb1, 0xb2, 0xb5, 0xff]) {
    expect(() => encodeTrunk(outer, inner(byte), KEY, nobleTrunkMac)).toThrow("does not travel");
    const datagram = encodeTrunk(outer, inner(4), KEY, nobleTrunkMac);
    datagram[32] = byte;
    expect(trunkHeader(datagram)).toBe(Refusal.badField);
  }
  for (const byte of [1, 2, 3, 4, 0xb3, 0xb4]) {
    expect(open(encodeTrunk(outer, inner(byte), KEY, nobleTrunkMac))).toEqual(outer);
  }
});

test("a relay's tag is the beginning of its id", () => {
  expect(relayTagOf("0123456789abcdef" as RelayId)).toBe("01234567" as RelayTag);
});
