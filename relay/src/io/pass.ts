/**
 * One pass over a batch: transport data, which comes in runs, is looked up once a run; all else one by one. Allocates
 * nothing for transport data between agents bound here, nor for what is not worth a look.
 */
import type { AddressHandle, DatagramBatch } from "@burrow/platform";
import { WireGuardType } from "@burrow/protocol";
import { type Forwarder, HANDLED, NEEDS_BYTES, ONE_BY_ONE } from "../core/forwarder.ts";
import type { Ways } from "./ways.ts";

/** Sends on what a batched socket hands over, and flushes: the datagrams lie in the batch's memory. */
export function forwardBatch(batch: DatagramBatch, forwarder: Forwarder, ways: Ways, now: number): void {
  const { count } = batch;
  for (let i = 0; i < count; ) {
    const firstWord = batch.u32(i, 0);
    // The first word of transport data: its type and three zero bytes.
    if (firstWord === WireGuardType.transport) {
      const end = batch.runEnd(i);
      forwardRun(batch, i, end, forwarder, ways, now);
      i = end;
      continue;
    }
    if (forwarder.isWorthALook(firstWord, batch.source(i), now)) forwardOne(batch, i, forwarder, ways, now);
    i++;
  }
  ways.flush();
}

function forwardRun(
  batch: DatagramBatch,
  from: number,
  end: number,
  forwarder: Forwarder,
  ways: Ways,
  now: number,
): void {
  const length = batch.length(from);
  const to = forwarder.forwardRun(batch.u32(from, 4), end - from, length, batch.source(from), now);
  if (to === ONE_BY_ONE) {
    for (let i = from; i < end; i++) forwardRun(batch, i, i + 1, forwarder, ways, now);
  } else if (to === NEEDS_BYTES) {
    for (let i = from; i < end; i++) forwardOne(batch, i, forwarder, ways, now);
  } else if (to !== HANDLED) send(batch, from, end, to, forwarder, ways);
}

function forwardOne(batch: DatagramBatch, i: number, forwarder: Forwarder, ways: Ways, now: number): void {
  const to = forwarder.forward(batch.bytes(i), batch.source(i), now);
  if (to !== HANDLED) send(batch, i, i + 1, to, forwarder, ways);
}

/** All of one length. */
function send(
  batch: DatagramBatch,
  from: number,
  end: number,
  to: number,
  forwarder: Forwarder,
  ways: Ways,
): void {
  const sent = ways.to(to as AddressHandle)?.forward(to, batch, from, end) ?? 0;
  const lost = end - from - sent;
  if (lost > 0) forwarder.countSendFailure(lost, lost * batch.length(from));
}
