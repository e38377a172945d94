/**
 * What the protocol's tests share: golden vectors from `protocol/vectors/`, a replayable seed, and the one suite
 * that every packet's parser must pass.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Bytes } from "../src/bytes.ts";
import { fromHex } from "../src/encoding.ts";
import { isRefusal, Refusal } from "../src/refusal.ts";
import { nobleSealer, type Sealer, type SymmetricKey } from "../src/seal.ts";

/** A failing run prints its seed: `SEED=<it> bun test protocol` replays it. `RUNS=` looks for longer. */
const { SEED, RUNS } = process.env;
fc.configureGlobal({
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  numRuns: RUNS === undefined ? 300 : Number(RUNS),
});

/** The cases of `protocol/vectors/<name>.json`. */
export async function vectors<Case>(name: string): Promise<readonly Case[]> {
  return await Bun.file(new URL(`../vectors/${name}.json`, import.meta.url)).json();
}

export function hex(text: string): Bytes {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hex: ${text}`);
  return bytes;
}

/** `length` bytes: first, first + 1, … */
export function run(first: number, length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => first + i);
}

/** Seals any plaintext, so that tests can speak as a party that has the key and breaks the rules. */
export function forge(header: Bytes, nonce: Bytes, key: SymmetricKey, plaintext: Bytes): Bytes {
  const sealed = nobleSealer.seal(key, nonce, header, plaintext);
  return Uint8Array.from([...header, ...nonce, ...sealed]);
}

/** Counts what is asked of noble, to show that packets of a wrong size never get that far. */
export function countingSealer(): Sealer & { opened: number } {
  return {
    opened: 0,
    seal: nobleSealer.seal,
    open(...args) {
      this.opened++;
      return nobleSealer.open(...args);
    },
  };
}

export interface ParserUnderTest {
  readonly name: string;
  /** Golden packets, all of which `parse` takes. */
  readonly goldens: readonly Bytes[];
  /** Parses and authenticates. */
  readonly parse: (datagram: Bytes) => unknown;
  readonly lengthMin: number;
  readonly lengthMax: number;
}

/** Truncations, trailing bytes, flipped bits, junk and mutations: refused by name, and nothing ever throws. */
export function testParser({ name, goldens, parse, lengthMin, lengthMax }: ParserUnderTest): void {
  const refused = (datagram: Bytes): Refusal => {
    const parsed = parse(datagram);
    if (isRefusal(parsed)) return parsed;
    throw new Error(`${name} took ${datagram.length} bytes that it must refuse`);
  };

  test(`${name}: goldens are taken`, () => {
    expect(goldens.length).toBeGreaterThan(0);
    for (const golden of goldens) expect(isRefusal(parse(golden))).toBe(false);
  });

  test(`${name}: every truncation is refused by name`, () => {
    for (const golden of goldens) {
      for (let length = 0; length < golden.length; length++) {
        const refusal = refused(golden.subarray(0, length));
        if (length < lengthMin) expect(refusal).toBe(Refusal.tooShort);
        else expect(refusal).toBe(Refusal.badSeal);
      }
    }
  });

  test(`${name}: trailing bytes are refused by name`, () => {
    for (const golden of goldens) {
      for (const extra of [1, 12, 16, 1000]) {
        const longer = new Uint8Array(golden.length + extra);
        longer.set(golden);
        expect(refused(longer)).toBe(longer.length > lengthMax ? Refusal.tooLong : Refusal.badSeal);
      }
    }
  });

  test(`${name}: one flipped bit anywhere is refused`, () => {
    for (const golden of goldens) {
      // A long packet's inside is padding or data: each bit at its ends, a prime's stride between.
      const stride = golden.length > 400 ? 13 : 1;
      for (let bit = 0; bit < golden.length * 8; bit += bit < 1600 ? 1 : stride) {
        const flipped = golden.slice();
        const at = Math.floor(bit / 8);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit % 8));
        refused(flipped);
      }
    }
  });

  test(`${name}: junk is refused and never throws`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: lengthMin + 200 }), (junk) => {
        refused(junk);
      }),
    );
  });

  test(`${name}: mutated packets are refused and never throw`, () => {
    const edit = fc.record({ at: fc.nat(), byte: fc.integer({ min: 1, max: 255 }) });
    const golden = fc.constantFrom(...goldens);
    const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(golden, edits, fc.nat({ max: 64 }), (packet, changes, cut) => {
        const mutated = packet.slice(0, packet.length - cut);
        for (const { at, byte } of changes) {
          const place = at % mutated.length;
          mutated[place] = (mutated[place] ?? 0) ^ byte;
        }
        if (Buffer.compare(mutated, packet) !== 0) refused(mutated);
      }),
    );
  });
}
