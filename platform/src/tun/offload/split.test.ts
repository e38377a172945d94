/** Cutting up against a naive reference, and hostile descriptions of hostile bytes. */
import { expect, test } from "bun:test";
import { wireGuardPaddedLength } from "@burrow/protocol";
import fc from "fast-check";
import { PinnedMemory } from "../../udp/linux/system.ts";
import { SplitBatch, split } from "./split.ts";
import { build, cutUp, type Fields, headerLengths } from "./testing.ts";
import { VIRTIO_NET_HDR_GSO_UDP_L4, VirtioHeader, VirtioNumber } from "./virtio-header.ts";

const MEMORY_BYTES = 1 << 20;

const fields: fc.Arbitrary<Fields> = fc.record({
  version: fc.constantFrom(4, 6),
  protocol: fc.constantFrom("tcp", "udp"),
  flow: fc.nat(255),
  tos: fc.nat(255),
  ttl: fc.nat(255),
  id: fc.nat(0xffff),
  dontFragment: fc.boolean(),
  sequence: fc.nat(0xffffffff),
  acknowledgement: fc.nat(0xffffffff),
  flags: fc.nat(255),
  window: fc.nat(0xffff),
  options: fc.nat(10).map((words) => new Uint8Array(words * 4).fill(1)),
  data: fc.uint8Array({ minLength: 1, maxLength: 9_000 }),
});

function headerOf(of: Fields, size: number): DataView {
  const header = new DataView(new ArrayBuffer(VirtioHeader.size));
  const tcp =
    of.version === 4 ? VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV4 : VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV6;
  const { ip } = headerLengths(of);
  header.setUint8(VirtioHeader.flags, VirtioNumber.VIRTIO_NET_HDR_F_NEEDS_CSUM);
  if (size > 0)
    header.setUint8(VirtioHeader.gsoType, of.protocol === "tcp" ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4);
  // The length of headers is a hint that nobody may believe.
  header.setUint16(VirtioHeader.headerLength, 7, true);
  header.setUint16(VirtioHeader.segmentSize, size, true);
  header.setUint16(VirtioHeader.checksumStart, ip, true);
  header.setUint16(VirtioHeader.checksumOffset, of.protocol === "tcp" ? 16 : 6, true);
  return header;
}

function newBatch(mtu: number): SplitBatch {
  const memory = new PinnedMemory(MEMORY_BYTES);
  memory.bytes.fill(0xee);
  return new SplitBatch(memory, mtu);
}

function place(batch: SplitBatch, packet: Uint8Array): void {
  batch.memory.bytes.set(packet, batch.next);
}

test("super-packets become the packets of the reference, each with its room", () => {
  const sizes = fc.integer({ min: 1, max: 2_000 });
  fc.assert(
    fc.property(fields, sizes, fc.integer({ min: 1_280, max: 1_500 }), (of, wanted, mtu) => {
      const size = Math.max(wanted, Math.ceil(of.data.length / 1_500));
      const batch = newBatch(mtu);
      // Another packet before, so that the memory's beginning is not the only place that is tried.
      place(batch, new Uint8Array(77).fill(0x45));
      split(batch, 77, new DataView(new ArrayBuffer(VirtioHeader.size)));
      place(batch, build(of, true));
      expect(split(batch, build(of, true).length, headerOf(of, size))).toBe("split");
      const expected = cutUp(of, size);
      expect(batch.count).toBe(1 + expected.length);
      for (const [i, packet] of expected.entries()) {
        expect(Buffer.from(batch.bytes(1 + i)).equals(packet)).toBe(true);
        // Sealed messages touch.
        expect(batch.at(1 + i)).toBe(batch.at(i) + wireGuardPaddedLength(batch.length(i), mtu) + 32);
      }
    }),
  );
});

test("a single packet has its checksum finished", () => {
  fc.assert(
    fc.property(fields, (of) => {
      const batch = newBatch(1_420);
      place(batch, build(of, true));
      expect(split(batch, build(of).length, headerOf(of, 0))).toBe("split");
      expect(Buffer.from(batch.bytes(0)).equals(build(of))).toBe(true);
    }),
  );
});

const tcp: Fields = {
  ...{ version: 4, protocol: "tcp", flow: 1, tos: 0, ttl: 64, id: 9, dontFragment: true },
  ...{ sequence: 5, acknowledgement: 6, flags: 0x18, window: 7, options: new Uint8Array(12).fill(1) },
  data: new Uint8Array(3_000).fill(3),
} as const;

test("what is cut short is refused, and never leaves its memory", () => {
  for (const of of [tcp, { ...tcp, version: 6 }, { ...tcp, protocol: "udp" }] as const) {
    const whole = build(of, true);
    const batch = newBatch(1_420);
    for (let length = 0; length <= whole.length; length++) {
      batch.clear();
      batch.memory.bytes.fill(0xee, 0, 4 * whole.length);
      place(batch, whole.subarray(0, length));
      const result = split(batch, length, headerOf(of, 1_000));
      expect(result).toBe(length > headerLengths(of).all ? "split" : "malformed");
      if (result === "malformed") expect(batch.count).toBe(0);
    }
  }
});

test("junk is split, refused or too much, and every packet lies within the memory", () => {
  const header = fc.uint8Array({ minLength: VirtioHeader.size, maxLength: VirtioHeader.size });
  const type = fc.constantFrom(0, 1, 3, 4, 5, 0x81, 0x84, 255);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }),
    fields.map((of) => build(of)),
  );
  const results = new Set<string>();
  fc.assert(
    fc.property(header, type, fc.nat(60), bytes, (described, gsoType, start, packet) => {
      described[VirtioHeader.gsoType] = gsoType;
      described[VirtioHeader.checksumStart] = start;
      described[VirtioHeader.checksumStart + 1] = 0;
      if (gsoType % 2 === 1) described[VirtioHeader.segmentSize + 1] = 0;
      const batch = newBatch(1_420);
      place(batch, packet);
      results.add(split(batch, packet.length, new DataView(described.buffer)));
      for (let i = 0; i < batch.count; i++) {
        expect(batch.at(i) + wireGuardPaddedLength(batch.length(i), 1_420) + 16).toBeLessThanOrEqual(
          MEMORY_BYTES,
        );
      }
    }),
    { numRuns: 2_000 },
  );
  expect(results.has("split") && results.has("malformed")).toBe(true);
});

test("more packets than a batch holds are refused as a whole", () => {
  const of = { ...tcp, protocol: "udp", data: new Uint8Array(60_000) } as const;
  const batch = newBatch(1_420);
  place(batch, build(of, true));
  expect(split(batch, build(of, true).length, headerOf(of, 2))).toBe("full");
  expect(batch.count).toBe(0);
});
