/** Pings and pongs of the trunk: golden vectors, hostile bytes, and that neither passes for the other. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hex, run, testParser, vectors } from "../testing/support.ts";
import type { RelayId } from "./ids.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import { nobleAgreement, trunkKey } from "./seal.ts";
import { nobleTrunkMac, type RelayTag, relayTagOf, trunkHeader, verifyTrunk } from "./trunk.ts";
import { encodeTrunkPing, TRUNK_PING_LENGTH, type TrunkPing, trunkPing } from "./trunk-ping.ts";

interface PingCase extends Omit<TrunkPing, "sender"> {
  readonly sender: string;
  readonly key: string;
  readonly hex: string;
}

const cases = await vectors<PingCase>("trunk-ping");
const [first] = cases;
if (first === undefined) throw new Error("no vectors");
const MAC = nobleTrunkMac(hex(first.key));

const pingOf = ({ kind, boot, sender, counter, transaction }: PingCase): TrunkPing => {
  const tag = relayTagOf(sender.padEnd(16, "0") as RelayId);
  return { kind, boot, sender: tag, counter, transaction };
};

function open(datagram: Uint8Array): TrunkPing | Refusal {
  const ping = trunkPing(datagram);
  if (isRefusal(ping)) return ping;
  return verifyTrunk(datagram, ping, MAC) ? ping : Refusal.badSeal;
}

test("ping and pong: golden vectors, both ways", () => {
  expect(cases.map(({ kind }) => kind).sort()).toEqual(["trunkPing", "trunkPing", "trunkPong"]);
  for (const of of cases) {
    const datagram = encodeTrunkPing(pingOf(of), nobleTrunkMac(hex(of.key)));
    expect(datagram).toEqual(hex(of.hex));
    expect(datagram.length).toBe(TRUNK_PING_LENGTH);
    expect(open(datagram)).toEqual(pingOf(of));
  }
});

testParser({
  name: "trunk ping",
  goldens: cases.map((of) => hex(of.hex)),
  parse: open,
  lengthMin: TRUNK_PING_LENGTH,
  lengthMax: TRUNK_PING_LENGTH,
});

test("any ping survives the round trip", () => {
  const any = fc.record({
    kind: fc.constantFrom("trunkPing", "trunkPong"),
    boot: fc.integer({ min: 0, max: 0xff_ffff }),
    sender: fc.integer({ min: 0, max: 0xffff_ffff }) as fc.Arbitrary<RelayTag>,
    counter: fc.maxSafeNat(),
    transaction: fc.stringMatching(/^[0-9a-f]{16}$/) as fc.Arbitrary<TrunkPing["transaction"]>,
  });
  fc.assert(
    fc.property(any, (ping) => {
      expect(open(encodeTrunkPing(ping, MAC))).toEqual(ping);
    }),
  );
});

test("a ping is no pong, no trunk packet, and none of the other direction", () => {
  const datagram = encodeTrunkPing(pingOf(first), MAC);
  const turned = datagram.slice();
  turned[0] = 0xb7;
  expect(open(turned)).toBe(Refusal.badSeal);
  expect(isRefusal(trunkHeader(datagram))).toBe(true);
  const [a, b] = [run(0x10, 32), run(0x80, 32)];
  const shared = nobleAgreement(run(1, 32), run(9, 32)) ?? a;
  const there = encodeTrunkPing(pingOf(first), nobleTrunkMac(trunkKey(shared, a, b)));
  expect(verifyTrunk(there, pingOf(first), nobleTrunkMac(trunkKey(shared, a, b)))).toBe(true);
  expect(verifyTrunk(there, pingOf(first), nobleTrunkMac(trunkKey(shared, b, a)))).toBe(false);
});
