/** Whether what we send to our own outside comes back to us, and nobody else's word for it. */
import { expect, test } from "bun:test";
import {
  type AgentId,
  type Endpoint,
  encodeProbe,
  NONCE_LENGTH,
  nobleSealer,
  transactionOf,
} from "@burrow/protocol";
import { HairpinCheck } from "./hairpin.ts";

const SELF = "00112233445566aa" as AgentId;
const OUTSIDE = "203.0.113.7:4000" as Endpoint;

function world() {
  let calls = 0;
  const random = (length: number) => new Uint8Array(length).fill(++calls);
  const sent: { readonly datagram: Uint8Array; readonly to: Endpoint }[] = [];
  const sink = { sendDatagram: (datagram: Uint8Array, to: Endpoint) => void sent.push({ datagram, to }) };
  const check = new HairpinCheck(sink, { self: SELF, sealer: nobleSealer, random });
  let now = 1_000;
  const run = (ms: number) => {
    const endMs = now + ms;
    for (let next = check.nextDeadline(); next !== undefined && next <= endMs; next = check.nextDeadline()) {
      now = next;
      check.tick(now);
    }
    now = endMs;
  };
  return { check, sent, run, setOutside: (of: Endpoint | undefined) => check.setOutside(of, now) };
}

test("one that comes back is proof, and ends the trying", () => {
  const { check, sent, run, setOutside } = world();
  setOutside(OUTSIDE);
  expect(sent.map(({ to }) => to)).toEqual([OUTSIDE]);
  run(250);
  expect(check.receive(sent[0]?.datagram ?? new Uint8Array())).toBe(true);
  run(10_000);
  expect([check.result, sent.length]).toEqual([true, 2]);
});

test("silence after three is a no, until the outside is another", () => {
  const { check, sent, run, setOutside } = world();
  setOutside(OUTSIDE);
  run(1_400);
  expect(check.result).toBeUndefined();
  run(200);
  expect([check.result, sent.length, check.nextDeadline()]).toEqual([false, 3, undefined]);
  setOutside(OUTSIDE);
  run(10_000);
  expect(sent.length).toBe(3);
  setOutside("203.0.113.8:4000" as Endpoint);
  expect(check.result).toBeUndefined();
  setOutside(undefined);
  run(10_000);
  expect([check.result, sent.length]).toEqual([undefined, 4]);
});

test("an outside that relays see again, after they did not for a while, is not asked about anew", () => {
  const { check, sent, run, setOutside } = world();
  setOutside(OUTSIDE);
  run(10_000);
  setOutside(undefined);
  run(60_000);
  setOutside(OUTSIDE);
  run(10_000);
  expect([check.result, sent.length, check.nextDeadline()]).toEqual([false, 3, undefined]);
});

test("what comes late, and what others send in our name, is no proof", () => {
  const { check, sent, run, setOutside } = world();
  setOutside(OUTSIDE);
  const first = sent[0]?.datagram ?? new Uint8Array();
  const nonce = new Uint8Array(NONCE_LENGTH);
  const body = { transaction: transactionOf(new Uint8Array(8)), observed: undefined };
  const forged = encodeProbe(
    { kind: "probe", receiver: SELF, sender: SELF },
    body,
    new Uint8Array(32),
    nonce,
    nobleSealer,
  );
  expect(check.receive(forged)).toBe(false);
  expect(check.receive(new Uint8Array(88))).toBe(false);
  setOutside("203.0.113.8:4000" as Endpoint);
  expect(check.receive(first)).toBe(false);
  run(100);
  expect(check.result).toBeUndefined();
});
