/** Trunk packets: golden vectors, hostile bytes, direction, and what may not travel inside. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hex, run, testParser, vectors } from "../testing/support.ts";
import { type AgentId, idOfWords, idWords, type RelayId } from "./ids.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import { nobleAgreement, trunkKey } from "./seal.ts";
import {
  encodeTrunk,
  newTrunkHeader,
  nobleTrunkMac,
  type RelayTag,
  relayTagOf,
  TRUNK_LENGTH_MIN,
  TRUNK_OVERHEAD,
  type TrunkHeader,
  type TrunkMac,
  trunkHeader,
  trunkPacket,
  verifyTrunk,
} from "./trunk.ts";

interface TrunkCase {
  readonly boot: number;
  readonly sender: string;
  readonly counter: number;
  readonly source: AgentId;
  readonly destination: AgentId;
  readonly key: string;
  readonly packet: string;
  readonly hex: string;
}

const cases = await vectors<TrunkCase>("trunk");
const [first] = cases;
if (first === undefined) throw new Error("no vectors");
const MAC = nobleTrunkMac(hex(first.key));

const headerOf = ({ boot, sender, counter, source, destination }: TrunkCase): TrunkHeader => {
  const tag = relayTagOf(sender.padEnd(16, "0") as RelayId);
  return { boot, sender: tag, counter, source: idWords(source), destination: idWords(destination) };
};

function open(datagram: Uint8Array): TrunkHeader | Refusal {
  const header = trunkHeader(datagram);
  if (isRefusal(header)) return header;
  return verifyTrunk(datagram, header, MAC) ? header : Refusal.badSeal;
}

test("trunk: golden vectors, both ways", () => {
  for (const of of cases) {
    const datagram = encodeTrunk(headerOf(of), hex(of.packet), nobleTrunkMac(hex(of.key)));
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
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const id = fc.record({ first: word, last: word });
  const any = fc.record({
    boot: fc.integer({ min: 0, max: 0xff_ffff }),
    sender: word as fc.Arbitrary<RelayTag>,
    counter: fc.maxSafeNat(),
    source: id,
    destination: id,
  });
  fc.assert(
    fc.property(any, fc.integer({ min: 32, max: 1500 }), (header, length) => {
      const packet = new Uint8Array(length);
      packet[0] = 4;
      const datagram = encodeTrunk(header, packet, MAC);
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
  const datagram = encodeTrunk(headerOf(first), hex(first.packet), nobleTrunkMac(there));
  expect(verifyTrunk(datagram, headerOf(first), nobleTrunkMac(there))).toBe(true);
  expect(verifyTrunk(datagram, headerOf(first), nobleTrunkMac(back))).toBe(false);
});

test("boot and counter make the nonce: no two packets of a relay share one", () => {
  const nonces = new Set<string>();
  const mac: TrunkMac = {
    sign: (noncePrefix, counter) => nonces.add(`${noncePrefix} ${counter}`),
    verify: () => false,
    destroy() {},
  };
  const collect = (boot: number, counter: number) =>
    encodeTrunk({ ...headerOf(first), boot, counter }, hex(first.packet), mac);
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
    expect(() => encodeTrunk(outer, inner(byte), MAC)).toThrow("does not travel");
    const datagram = encodeTrunk(outer, inner(4), MAC);
    datagram[32] = byte;
    expect(trunkHeader(datagram)).toBe(Refusal.badField);
  }
  for (const byte of [1, 2, 3, 4, 0xb3, 0xb4, 0xb8]) {
    expect(open(encodeTrunk(outer, inner(byte), MAC))).toEqual(outer);
  }
});

test("a relay's tag is the beginning of its id", () => {
  expect(relayTagOf("0123456789abcdef" as RelayId)).toBe(0x67452301 as RelayTag);
});

test("ids as numbers and back", () => {
  const id = "0123456789abcdef" as AgentId;
  expect(idWords(id)).toEqual({ first: 0x67452301, last: 0xefcdab89 });
  expect(idOfWords<AgentId>(idWords(id))).toBe(id);
});

test("a trunk packet made in larger memory is the same, and reading one into a header leaves nothing of the last", () => {
  const out = new Uint8Array(2_000).fill(0xee);
  const header = newTrunkHeader();
  for (const of of cases) {
    const datagram = encodeTrunk(headerOf(of), hex(of.packet), nobleTrunkMac(hex(of.key)), out);
    expect(datagram).toEqual(hex(of.hex));
    expect(trunkHeader(datagram, header)).toEqual(headerOf(of));
  }
});
