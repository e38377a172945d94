/** Puts a delay line (delay-line.ts) between two namespaces in place of a veth pair. */
import type { Namespace } from "./netns.ts";

const PROGRAM = new URL("delay-line.ts", import.meta.url).pathname;

/**
 * Joins `aDevice` in `a` to `bDevice` in `b`, both up, so that packets take `delayMs` each way. The devices are TUNs:
 * they carry IP without Ethernet, so nobody asks for neighbours, and they offer no offloads, so what crosses is never
 * larger than the MTU, as on a real wire (a veth pair passes 64 KB super-packets on).
 */
export async function startDelayLine(
  a: Namespace,
  aDevice: string,
  b: Namespace,
  bDevice: string,
  delayMs: number,
): Promise<void> {
  for (const [namespace, device] of [
    [a, aDevice],
    [b, bDevice],
  ] as const) {
    await namespace.ip(`tuntap add dev ${device} mode tun`);
    await namespace.ip(`link set dev ${device} up txqueuelen 10000`);
  }
  const command = [process.execPath, PROGRAM, aDevice, b.path, bDevice, String(delayMs)];
  await a.spawn(command, { label: `delay-${aDevice}` }).waitForLine(/^ready/);
}
