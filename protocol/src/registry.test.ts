/** First bytes: each has one owner for good; and every parser takes any bytes without throwing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { run } from "../testing/support.ts";
import { bindTicket, openBind, openBound } from "./bind.ts";
import { Reader } from "./bytes.ts";
import { readEndpoint } from "./endpoint.ts";
import type { RelayId } from "./ids.ts";
import { openIntroduction } from "./introduction.ts";
import { openProbe, probeHeader } from "./probe.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import { classify, PacketType } from "./registry.ts";
import { nobleSealer } from "./seal.ts";
import { openTicket } from "./ticket.ts";
import { nobleTrunkMac, trunkHeader, verifyTrunk } from "./trunk.ts";
import { trunkPing } from "./trunk-ping.ts";
import { wireGuardKind } from "./wireguard.ts";

test("type bytes are unique and apart from WireGuard's, STUN's, TURN channels' and QUIC's", () => {
  const types = Object.values(PacketType);
  expect(new Set<number>(types).size).toBe(types.length);
  // RFC 9443: 0 to 3 STUN, 64 to 79 TURN channels, 64 to 127 and 192 to 255 QUIC.
  for (const type of types) {
    expect(type).toBeGreaterThanOrEqual(0x80);
    expect(type).toBeLessThan(0xc0);
  }
});

test("numbers once given stay with their packets", () => {
  const agents = { bind: 0xb1, bound: 0xb2, probe: 0xb3, probeAck: 0xb4 } as const;
  expect(PacketType).toEqual({
    ...agents,
    trunk: 0xb5,
    trunkPing: 0xb6,
    trunkPong: 0xb7,
    introduction: 0xb8,
  });
});

test("each first byte has one owner", () => {
  const ours = new Map<number, string>(Object.entries(PacketType).map(([kind, byte]) => [byte, kind]));
  for (let first = 0; first < 256; first++) {
    const zeros = Uint8Array.of(first, 0, 0, 0);
    const wireGuard = first >= 1 && first <= 4;
    expect(classify(zeros) as string).toBe(wireGuard ? "wireguard" : (ours.get(first) ?? "unknown"));
    expect(classify(Uint8Array.of(first, 0, 0, 1)) as string).toBe(ours.get(first) ?? "unknown");
  }
});

test("a STUN binding request, its answer, and packets of no length are unknown", () => {
  expect(classify(Uint8Array.of(0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42))).toBe("unknown");
  expect(classify(Uint8Array.of(0x01, 0x01, 0x00, 0x0c, 0x21, 0x12, 0xa4, 0x42))).toBe("unknown");
  expect(classify(new Uint8Array(0))).toBe("unknown");
  expect(classify(Uint8Array.of(1, 0, 0))).toBe("unknown");
});

test("for any bytes every parser returns a value or a refusal", () => {
  const key = run(1, 32);
  const parsers: readonly ((bytes: Uint8Array) => unknown)[] = [
    bindTicket,
    probeHeader,
    trunkHeader,
    trunkPing,
    (bytes) => openBind(bytes, key, nobleSealer),
    (bytes) => openBound(bytes, key, nobleSealer),
    (bytes) => openProbe(bytes, key, nobleSealer),
    (bytes) => openIntroduction(bytes, key, nobleSealer),
    (bytes) => openTicket(bytes, "0011223344556677" as RelayId, key, nobleSealer),
    (bytes) => {
      const header = trunkHeader(bytes);
      return isRefusal(header) ? header : verifyTrunk(bytes, header, nobleTrunkMac(key));
    },
  ];
  const names = new Set<string>(Object.values(Refusal));
  const first = fc.constantFrom(0, 1, 2, 3, 4, ...Object.values(PacketType));
  const likely = fc
    .tuple(first, fc.uint8Array({ maxLength: 1300 }))
    .map(([type, rest]) => Uint8Array.from([type, 1, 0, 0, ...rest]));
  fc.assert(
    fc.property(fc.oneof(likely, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      for (const parse of parsers) {
        const parsed = parse(bytes);
        if (isRefusal(parsed)) expect(names.has(parsed)).toBe(true);
        else expect(parsed).toBeDefined();
      }
      readEndpoint(new Reader(bytes));
      wireGuardKind(bytes);
      classify(bytes);
    }),
  );
});

test("a trunk's MAC asked of a packet too short for one is wrong, not an error", () => {
  const header = trunkHeader(Uint8Array.from([0xb5, ...new Uint8Array(31), 4, ...new Uint8Array(47)]));
  if (isRefusal(header)) throw new Error("a trunk header was refused");
  for (let length = 0; length < 80; length++) {
    expect(verifyTrunk(new Uint8Array(length), header, nobleTrunkMac(run(1, 32)))).toBe(false);
  }
});
