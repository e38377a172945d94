/**
 * TAI64N timestamps (WireGuard §5.1), which make initiations unrepeatable.
 *
 *   0   8  2^62 + 10 + Unix seconds, big-endian
 *   8   4  nanoseconds, big-endian, the low 24 bits cleared
 *
 * The cleared bits (17 ms) hide the exact clock, as in wireguard-go.
 */
export const TIMESTAMP_LENGTH = 12;

const BASE_HIGH = 0x4000_0000;
const LEAP_SECONDS = 10;
const U32 = 0x1_0000_0000;
/** One step of a whitened timestamp: 2^24 ns, in milliseconds. */
export const TIMESTAMP_STEP_MS = 2 ** 24 / 1_000_000;

/** The timestamp of a Unix time in milliseconds. */
export function tai64n(unixMs: number): Uint8Array {
  const seconds = Math.floor(unixMs / 1000);
  const nanoseconds = Math.floor((unixMs - seconds * 1000) * 1_000_000);
  const out = new Uint8Array(TIMESTAMP_LENGTH);
  const view = new DataView(out.buffer);
  view.setUint32(0, BASE_HIGH + Math.floor((seconds + LEAP_SECONDS) / U32));
  view.setUint32(4, (seconds + LEAP_SECONDS) % U32);
  view.setUint32(8, (nanoseconds & 0xff00_0000) >>> 0);
  return out;
}

/** Does `a` lie after `b`? Timestamps compare as big-endian numbers. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TIMESTAMP_LENGTH; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
