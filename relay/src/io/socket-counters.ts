/** What several sockets of one relay counted, as one. */
import { type DatagramSocket, newUdpCounters, type UdpCounters } from "@burrow/platform";

export function sumOf(sockets: readonly DatagramSocket[]): UdpCounters {
  const sum = newUdpCounters();
  for (const { counters } of sockets) {
    for (const name of Object.keys(sum) as (keyof UdpCounters)[]) sum[name] += counters[name];
  }
  return sum;
}
