/** Pings are answered once, by whom they were sent to, and those without an answer are forgotten in the end. */
import { expect, test } from "bun:test";
import type { AgentId, Transaction } from "@burrow/protocol";
import { EchoBook } from "./echo.ts";
import { type Echo, echoReply, parseEcho } from "./icmp.ts";

const PEER = "00000000000000aa" as AgentId;
const OTHER = "00000000000000bb" as AgentId;
const VIA = { kind: "direct", endpoint: "192.0.2.1:1" } as never;
const ADDRESSES = { own: "100.64.0.1", peer: "100.64.0.2" };

function replyTo(request: Uint8Array): Echo {
  const echo = parseEcho(echoReply(request));
  if (echo === undefined) throw new Error("no echo");
  return echo;
}

test("an answer tells the round trip and the way, once", () => {
  const book = new EchoBook();
  const reply = replyTo(book.request(PEER, ADDRESSES, 5, 6, 1_000));
  expect(book.replied(PEER, reply, VIA, 1_042)).toEqual({ identifier: 5, sequence: 6, rttMs: 42, via: VIA });
  expect(book.replied(PEER, reply, VIA, 1_043)).toBeUndefined();
});

test("another peer's answer, and an answer to somebody else's ping, are not ours", () => {
  const book = new EchoBook();
  const reply = replyTo(book.request(PEER, ADDRESSES, 5, 6, 0));
  expect(book.replied(OTHER, reply, VIA, 1)).toBeUndefined();
  expect(book.replied(PEER, { ...reply, identifier: 4 }, VIA, 1)).toBeUndefined();
  expect(book.replied(PEER, reply, VIA, 1)?.rttMs).toBe(1);
});

test("bare probes are answered by the acks of their transactions", () => {
  const book = new EchoBook();
  const transaction = "0011223344556677" as Transaction;
  book.probe(PEER, transaction, 1, 2, 10);
  expect(book.acked(OTHER, transaction, VIA, 15)).toBeUndefined();
  expect(book.acked(PEER, transaction, VIA, 15)?.rttMs).toBe(5);
  expect(book.acked(PEER, transaction, VIA, 16)).toBeUndefined();
});

test("of pings that nobody answers only the latest are remembered", () => {
  const book = new EchoBook();
  const first = replyTo(book.request(PEER, ADDRESSES, 0, 0, 0));
  for (let i = 1; i <= 5_000; i++) book.request(PEER, ADDRESSES, i, 0, 0);
  expect(book.replied(PEER, first, VIA, 1)).toBeUndefined();
  expect(book.replied(PEER, { ...first, identifier: 5_000 }, VIA, 1)).toBeDefined();
});
