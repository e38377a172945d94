/** What simulated machines rely on: only the same key, nonce and additional data open a packet, and only whole. */
import { expect, test } from "bun:test";
import { Random } from "../random.ts";
import { StandInKey, standInSealer } from "./stand-in.ts";

const random = new Random(20_261_126);
/** Every length from nothing to more than a few words, and a packet's. */
const LENGTHS = [...Array(20).keys(), 1_420];

function withOneBitChanged(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const at = random.whole(0, bytes.length - 1);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.whole(0, 7));
  return changed;
}

test("a sealed packet opens under its own key, nonce and header, and under no others", () => {
  for (const length of LENGTHS) {
    const [key, nonce, header] = [random.bytes(32), random.bytes(24), random.bytes(20)];
    const plaintext = random.bytes(length);
    const sealed = standInSealer.seal(key, nonce, header, plaintext);
    expect(sealed.length).toBe(length + 16);
    expect(standInSealer.open(key, nonce, header, sealed)).toEqual(plaintext);
    for (let i = 0; i < 64; i++) {
      expect(standInSealer.open(withOneBitChanged(key), nonce, header, sealed)).toBeUndefined();
      expect(standInSealer.open(key, withOneBitChanged(nonce), header, sealed)).toBeUndefined();
      expect(standInSealer.open(key, nonce, withOneBitChanged(header), sealed)).toBeUndefined();
      expect(standInSealer.open(key, nonce, header, withOneBitChanged(sealed))).toBeUndefined();
    }
    expect(standInSealer.open(key, nonce, header, sealed.subarray(1))).toBeUndefined();
  }
});

test("a transport packet is sealed and opened where it lies, by its counter", () => {
  for (const length of LENGTHS) {
    const key = new StandInKey(random.bytes(32));
    const counter = 0x1_0000_0000 * random.whole(0, 3) + random.whole(0, 1_000);
    const plaintext = random.bytes(length);
    const buffer: Uint8Array = new Uint8Array(16 + length + 16);
    buffer.set(plaintext, 16);
    key.seal(counter, buffer, 16, length);
    const sealed = buffer.slice();
    expect(key.open(counter, buffer, 16, length + 16, buffer, 16)).toBe(true);
    expect(Array.from(buffer.slice(16, 16 + length))).toEqual(Array.from(plaintext));
    expect(key.open(counter + 1, sealed.slice(), 16, length + 16, buffer, 16)).toBe(false);
    expect(key.open(counter + 0x1_0000_0000, sealed.slice(), 16, length + 16, buffer, 16)).toBe(false);
    const changed = withOneBitChanged(sealed.subarray(16));
    expect(key.open(counter, changed, 0, length + 16, new Uint8Array(length), 0)).toBe(false);
    expect(new StandInKey(random.bytes(32)).open(counter, sealed, 16, length + 16, buffer, 16)).toBe(false);
  }
});

test("a signed packet verifies by its prefix and counter, unchanged", () => {
  const key = new StandInKey(random.bytes(32));
  const packet = random.bytes(40);
  key.sign(3, 9, packet, 0, 24);
  expect(key.verify(3, 9, packet, 0, 24)).toBe(true);
  expect([key.verify(4, 9, packet, 0, 24), key.verify(3, 8, packet, 0, 24)]).toEqual([false, false]);
  for (let i = 0; i < 64; i++) expect(key.verify(3, 9, withOneBitChanged(packet), 0, 24)).toBe(false);
});
