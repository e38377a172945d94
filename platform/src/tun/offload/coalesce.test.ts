/** Putting together: cut up again by the reference, what is written is what was given. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PinnedMemory } from "../../udp/linux/system.ts";
import { Coalescer, NONE } from "./coalesce.ts";
import { build, cutUp, type Fields, headerLengths, naiveChecksum } from "./testing.ts";
import { VirtioHeader } from "./virtio-header.ts";

const MEMORY_BYTES = 1 << 20;
const BOTH = { tcp: true, udp: true };
const base: Fields = {
  ...{ version: 4, protocol: "tcp", flow: 1, tos: 0, ttl: 64, id: 100, dontFragment: true },
  ...{
    sequence: 0xffff_fc00,
    acknowledgement: 6,
    flags: 0x10,
    window: 7,
    options: new Uint8Array(12).fill(1),
  },
  data: new Uint8Array(),
};

const bytesFrom = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7) & 255);

/** Fields that `cutUp` cuts into a flow's packets. */
const stream = (of: Partial<Fields>, bytes: number): Fields => ({
  ...base,
  ...of,
  data: bytesFrom(bytes, bytes),
});

interface Written {
  readonly header: DataView;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly packets: number;
}

class Trial {
  readonly memory = new PinnedMemory(MEMORY_BYTES);
  readonly coalescer: Coalescer;
  #at: number;

  /** `at`: where in memory the first packet lies; alignment is not to matter. */
  constructor(options = BOTH, at = 16) {
    this.coalescer = new Coalescer(options);
    this.#at = at;
  }

  add(packet: Uint8Array): void {
    this.memory.bytes.set(packet, this.#at);
    this.coalescer.add(this.memory, this.#at, packet.length);
    this.#at += packet.length + 32;
  }

  /** Each run as the kernel would read it. */
  written(): Written[] {
    return Array.from({ length: this.coalescer.count }, (_, i) => {
      const header = new DataView(new ArrayBuffer(VirtioHeader.size));
      this.coalescer.finish(i, header);
      return { header, bytes: this.#gather(i), packets: this.coalescer.packets(i) };
    });
  }

  /** Each packet of each run after a refusal. */
  separated(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (let i = 0; i < this.coalescer.count; i++) {
      this.coalescer.separate(i);
      const first = this.coalescer.firstPiece(i);
      for (let piece = first; piece !== NONE; piece = this.coalescer.nextPiece(piece)) {
        const before = piece === first ? 0 : this.coalescer.headersLength(i);
        packets.push(this.#copy(piece, before));
      }
    }
    return packets;
  }

  #gather(i: number): Uint8Array<ArrayBuffer> {
    const pieces: Uint8Array[] = [];
    for (let piece = this.coalescer.firstPiece(i); piece !== NONE; piece = this.coalescer.nextPiece(piece)) {
      pieces.push(this.#copy(piece, 0));
    }
    return new Uint8Array(Buffer.concat(pieces));
  }

  #copy(piece: number, before: number): Uint8Array {
    const at = this.coalescer.pieceAddress(piece) - this.memory.address - before;
    return this.memory.bytes.slice(at, at + before + this.coalescer.pieceLength(piece));
  }
}

function packetsIn(packets: readonly Uint8Array[], options = BOTH, at = 16): Written[] {
  const trial = new Trial(options, at);
  for (const packet of packets) trial.add(packet);
  return trial.written();
}

/** What a kernel makes of what was written: read back into fields, and cut up by the reference. */
function received({ header, bytes, packets }: Written): Uint8Array<ArrayBuffer>[] {
  if (header.getUint8(VirtioHeader.gsoType) === 0) {
    expect(packets).toBe(1);
    expect(new Uint8Array(header.buffer).every((byte) => byte === 0)).toBe(true);
    return [bytes];
  }
  const view = new DataView(bytes.buffer);
  const version = (bytes[0] ?? 0) >> 4 === 4 ? 4 : 6;
  const isUdp = header.getUint8(VirtioHeader.gsoType) === 5;
  const ip = version === 4 ? 20 : 40;
  const all = isUdp ? ip + 8 : ip + ((bytes[ip + 12] ?? 0) >> 4) * 4;
  const fields: Fields = {
    version,
    protocol: isUdp ? "udp" : "tcp",
    flow: bytes[version === 4 ? 15 : 23] ?? 0,
    tos: version === 4 ? (bytes[1] ?? 0) : (view.getUint16(0) >> 4) & 255,
    ttl: bytes[version === 4 ? 8 : 7] ?? 0,
    id: version === 4 ? view.getUint16(4) : 0,
    dontFragment: version === 4 && (bytes[6] ?? 0) === 0x40,
    sequence: isUdp ? 0 : view.getUint32(ip + 4),
    acknowledgement: isUdp ? 0 : view.getUint32(ip + 8),
    flags: isUdp ? 0 : (bytes[ip + 13] ?? 0),
    window: isUdp ? 0 : view.getUint16(ip + 14),
    options: isUdp ? new Uint8Array() : bytes.slice(ip + 20, all),
    data: bytes.slice(all),
  };
  // The whole has the headers that the kernel wants: lengths, IP checksum, sum of the pseudo header.
  expect(Buffer.from(bytes).equals(build(fields, true))).toBe(true);
  expect(header.getUint8(VirtioHeader.flags)).toBe(1);
  expect(header.getUint16(VirtioHeader.headerLength, true)).toBe(headerLengths(fields).all);
  expect(header.getUint16(VirtioHeader.checksumStart, true)).toBe(ip);
  expect(header.getUint16(VirtioHeader.checksumOffset, true)).toBe(isUdp ? 6 : 16);
  const cut = cutUp(fields, header.getUint16(VirtioHeader.segmentSize, true));
  expect(cut.length).toBe(packets);
  return cut;
}

/** Without the identification, which cutting up numbers anew. */
function unnumbered(packet: Uint8Array): string {
  const copy = Buffer.from(packet);
  if (copy[0] === 0x45) copy.fill(0, 4, 6).fill(0, 10, 12);
  return copy.toString("hex");
}

const counts = (written: readonly Written[]) => written.map(({ packets }) => packets);

describe("a flow's packets become one", () => {
  for (const version of [4, 6] as const) {
    for (const protocol of ["tcp", "udp"] as const) {
      test(`${protocol} over IPv${version}, with a shorter last, at every alignment`, () => {
        const packets = cutUp(stream({ version, protocol }, 30 * 1_300 + 17), 1_300);
        for (let at = 16; at < 24; at++) {
          const written = packetsIn(packets, BOTH, at);
          expect(counts(written)).toEqual([31]);
          expect(written.flatMap(received)).toEqual(packets);
        }
      });
    }
  }

  test("but no longer than IP allows, nor than 64", () => {
    expect(counts(packetsIn(cutUp(stream({}, 60 * 1_300), 1_300)))).toEqual([50, 10]);
    expect(counts(packetsIn(cutUp(stream({}, 100 * 100), 100)))).toEqual([64, 36]);
  });

  test("two flows between each other", () => {
    const a = cutUp(stream({ flow: 1 }, 5_000), 1_000);
    const b = cutUp(stream({ flow: 2, version: 6 }, 5_000), 1_000);
    expect(counts(packetsIn(a.flatMap((packet, i) => [packet, b[i] ?? packet])))).toEqual([5, 5]);
  });

  test("a pushed packet ends it", () => {
    const first = cutUp(stream({ flags: 0x18 }, 3_000), 1_000);
    const second = cutUp(stream({ sequence: (base.sequence + 3_000) >>> 0 }, 3_000), 1_000);
    const written = packetsIn([...first, ...second]);
    expect(counts(written)).toEqual([3, 3]);
    expect(written.flatMap(received).map(unnumbered)).toEqual([...first, ...second].map(unnumbered));
  });

  test("packets that arrive before those that they follow are put straight", () => {
    const packets = cutUp(stream({}, 4_500), 1_000);
    const [a, b, c, d, e] = packets as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (const order of [
      [b, a, c, d, e],
      [d, e, c, b, a],
      [e, d, c, b, a],
      [b, c, a, d, e],
    ]) {
      const written = packetsIn(order);
      expect(counts(written)).toEqual([5]);
      expect(written.flatMap(received).map(unnumbered)).toEqual(packets.map(unnumbered));
    }
  });
});

describe("a packet travels alone", () => {
  const [first, second] = cutUp(stream({}, 2_000), 1_000) as [Uint8Array, Uint8Array];
  const next = { sequence: (base.sequence + 1_000) >>> 0, data: bytesFrom(1_000, 9) };
  const changed = (change: Partial<Fields>) => build({ ...base, ...next, ...change });
  const patched = (at: number, value: number) => {
    const copy = Uint8Array.from(second);
    copy[at] = value;
    return copy;
  };
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["longer than those before", changed({ data: bytesFrom(1_001, 1) })],
    ["without data", changed({ data: new Uint8Array() })],
    ["after a gap", changed({ sequence: base.sequence + 1_001 })],
    ["FIN", changed({ flags: 0x11 })],
    ["SYN", changed({ flags: 0x12 })],
    ["URG", changed({ flags: 0x30 })],
    ["ECE", changed({ flags: 0x50 })],
    ["CWR", changed({ flags: 0x90 })],
    ["no ACK", changed({ flags: 0 })],
    ["another acknowledgement", changed({ acknowledgement: 7 })],
    ["another window", changed({ window: 8 })],
    ["other options", changed({ options: new Uint8Array(12).fill(0) })],
    ["fewer options", changed({ options: new Uint8Array(8).fill(1) })],
    ["another service", changed({ tos: 3 })],
    ["another TTL", changed({ ttl: 63 })],
    ["another flow", changed({ flow: 2 })],
    ["without DF", changed({ dontFragment: false })],
    ["damaged data", patched(900, 0xaa)],
    ["a damaged checksum", patched(20 + 16, 0xaa)],
    ["a reserved bit", patched(20 + 12, 0x81)],
    ["a fragment", patched(7, 1)],
    ["the reserved fragment flag", patched(6, 0xc0)],
    ["longer than its header says", Uint8Array.from([...second, 0])],
    ["shorter than its header says", second.slice(0, -1)],
  ];
  test.each(cases)("%s", (_, packet) => {
    const given = [first, packet];
    const written = packetsIn(given);
    expect(counts(written)).toEqual([1, 1]);
    expect(written.map(({ bytes }) => bytes)).toEqual(given.map((bytes) => new Uint8Array(bytes)));
  });

  test("when the one before has a wrong checksum", () => {
    const damaged = Uint8Array.from(first);
    damaged[500] = (damaged[500] ?? 0) ^ 1;
    expect(counts(packetsIn([damaged, second]))).toEqual([1, 1]);
  });

  test("UDP without a checksum", () => {
    const packets = cutUp(stream({ protocol: "udp" }, 2_000), 1_000);
    for (const packet of packets) packet.set([0, 0], 26);
    expect(counts(packetsIn(packets))).toEqual([1, 1]);
  });

  test("where the kernel does not take more", () => {
    const udp = cutUp(stream({ protocol: "udp" }, 2_000), 1_000);
    expect(counts(packetsIn([first, second, ...udp], { tcp: true, udp: false }))).toEqual([2, 1, 1]);
    expect(counts(packetsIn([first, second, ...udp], { tcp: false, udp: false }))).toEqual([1, 1, 1, 1]);
  });
});

/** Packets of a few flows, mostly in order, with damage, loss, changes and disorder among them. */
const mixture = fc
  .array(
    fc.record({
      flow: fc.nat(3),
      version: fc.constantFrom(4, 6),
      protocol: fc.constantFrom("tcp", "tcp", "udp"),
      bytes: fc.integer({ min: 1, max: 6_000 }),
      size: fc.constantFrom(100, 536, 1_300),
      flags: fc.constantFrom(0x10, 0x10, 0x18, 0x11),
      tos: fc.constantFrom(0, 0, 2),
      damage: fc.option(fc.nat(5_000), { freq: 5 }),
    }),
    { maxLength: 12 },
  )
  .map((parts) => {
    const sequences = new Map<string, number>();
    return parts.flatMap(({ flow, version, protocol, bytes, size, flags, tos, damage }) => {
      const key = `${flow} ${version}`;
      const sequence = sequences.get(key) ?? 0xffff_f000;
      sequences.set(key, (sequence + bytes) >>> 0);
      const packets = cutUp(stream({ flow, version, protocol, flags, tos, sequence }, bytes), size);
      const hit = damage === null ? undefined : packets[damage % packets.length];
      if (damage === null || hit === undefined) return packets;
      const at = 40 + (damage % (hit.length - 40));
      hit[at] = (hit[at] ?? 0) ^ 0x40;
      return packets;
    });
  });

test("whatever is given, a kernel receives exactly that, each flow in its order", () => {
  fc.assert(
    fc.property(mixture, fc.nat(7), (packets, at) => {
      const written = packetsIn(packets, BOTH, 16 + at);
      const got = written.flatMap(received);
      const byFlow = (list: readonly Uint8Array[]) =>
        Object.groupBy(list.map(unnumbered), (hex) =>
          hex[0] === "4" ? hex.slice(18, 48) : hex.slice(12, 88),
        );
      expect(byFlow(got)).toEqual(byFlow(packets));
    }),
    { numRuns: 300 },
  );
});

test("in any order, nothing is lost or made up", () => {
  const shuffled = mixture.chain((packets) => fc.shuffledSubarray(packets, { minLength: packets.length }));
  fc.assert(
    fc.property(shuffled, (packets) => {
      const got = packetsIn(packets).flatMap(received);
      expect(got.map(unnumbered).sort()).toEqual(packets.map(unnumbered).sort());
    }),
    { numRuns: 300 },
  );
});

test("after a refusal every packet is what it was", () => {
  fc.assert(
    fc.property(mixture, (packets) => {
      const trial = new Trial();
      for (const packet of packets) trial.add(packet);
      trial.written();
      expect(
        trial
          .separated()
          .map((packet) => Buffer.from(packet).toString("hex"))
          .sort(),
      ).toEqual(packets.map((packet) => Buffer.from(packet).toString("hex")).sort());
    }),
  );
});

test("junk and truncated packets travel alone, unchanged", () => {
  const [whole] = cutUp(stream({}, 100), 100) as [Uint8Array];
  const cut = Array.from({ length: whole.length }, (_, length) => whole.slice(0, length)).slice(1);
  expect(packetsIn(cut).map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(
    cut.map((bytes) => Buffer.from(bytes).toString("hex")),
  );
  const junk = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 20 });
  fc.assert(
    fc.property(junk, fc.constantFrom(0x45, 0x60), (packets, first) => {
      for (const packet of packets) packet[0] = first;
      const written = packetsIn(packets);
      expect(counts(written)).toEqual(packets.map(() => 1));
      expect(written.map(({ bytes }) => bytes)).toEqual(packets.map((bytes) => new Uint8Array(bytes)));
    }),
  );
});

test("the reference's own checksum is the one of RFC 1071's example", () => {
  expect(naiveChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
});
