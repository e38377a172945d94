/** What outlives a relay: records of every kind, cut, broken and old ones, and the flows of a killed relay. */
import { describe, expect, test } from "bun:test";
import { type Bytes, endpoint } from "@burrow/protocol";
import fc from "fast-check";
import { OTHER_NETWORK, T0, TestAgent, TestRelay, transport, whereTo } from "../testing/harness.ts";
import { bindRecord, flowRecord, memorySince, readMemory, wayRecord } from "./memory.ts";

const T0_S = Math.floor(T0 / 1000);

/** A relay and all that it writes down. */
function rememberingRelay(like?: TestRelay): { relay: TestRelay; memory: () => Bytes } {
  const records: Bytes[] = [];
  const relay = new TestRelay({
    ...(like === undefined ? {} : { like, boot: 2 }),
    learned: (record, isNew) => isNew && records.push(record),
  });
  return { relay, memory: () => new Uint8Array(Buffer.concat(records)) };
}

/** A session from `a` (index 1) to `b` (index 2) by handshakes through the relay. */
function shake(relay: TestRelay, a: TestAgent, b: TestAgent, indexA = 1, indexB = 2): void {
  expect(whereTo(relay.feed(a.initiationTo(b, indexA), a.at))).toEqual([`wireguard ${b.at}`]);
  expect(whereTo(relay.feed(b.responseTo(a, indexB, indexA), b.at))).toEqual([`wireguard ${a.at}`]);
}

describe("records", () => {
  const from = { endpoint: endpoint("192.0.2.1", 5), door: 2 };
  const bind = bindRecord(from, Uint8Array.of(9, 8, 7), T0_S);
  const flow = flowRecord(
    "00000000000000aa" as never,
    0xfffffffe,
    "00000000000000bb" as never,
    T0_S + 5,
    true,
  );

  const way = wayRecord(
    "00000000000000aa" as never,
    "00000000000000cc" as never,
    "00000000000000dd" as never,
    T0_S + 9,
  );

  test("come back as they were written", () => {
    expect([...readMemory(way)]).toEqual([
      {
        kind: "way",
        atS: T0_S + 9,
        agent: "00000000000000aa" as never,
        network: "00000000000000cc" as never,
        relay: "00000000000000dd" as never,
      },
    ]);
    expect(memorySince(way, T0_S + 9)).toEqual(way);
    const both = new Uint8Array(Buffer.concat([bind, flow]));
    expect([...readMemory(both)]).toEqual([
      { kind: "bind", atS: T0_S, from, datagram: Uint8Array.of(9, 8, 7) },
      {
        kind: "flow",
        atS: T0_S + 5,
        receiverIndex: 0xfffffffe,
        source: "00000000000000aa" as never,
        destination: "00000000000000bb" as never,
        proven: true,
      },
    ]);
    expect(memorySince(both, T0_S)).toEqual(both);
    expect(memorySince(both, T0_S + 1)).toEqual(flow);
    expect(memorySince(both, T0_S + 6).length).toBe(0);
  });

  test("end where a record is cut short, and junk makes none", () => {
    for (const first of [flow, way]) {
      const both = new Uint8Array(Buffer.concat([first, bind]));
      for (let length = 0; length < both.length; length++) {
        const read = [...readMemory(both.subarray(0, length))];
        expect(read.length).toBe(length >= first.length ? 1 : 0);
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        for (const record of readMemory(junk)) expect(["bind", "flow", "way"]).toContain(record.kind);
        new TestRelay().forwarder.recall(junk, T0);
      }),
    );
  });
});

describe("a relay that was killed and started again", () => {
  test("serves flows in both directions at once, knows the last sequences, and says nothing on its own", () => {
    const { relay, memory } = rememberingRelay();
    const [a, b] = [new TestAgent(relay, "192.0.2.1:1001"), new TestAgent(relay, "192.0.2.2:1002")];
    a.bind(relay);
    const captured = b.bindBytes();
    b.bind(relay);
    shake(relay, a, b);
    const { relay: again, memory: memoryAgain } = rememberingRelay(relay);
    again.forwarder.recall(memory(), T0);
    expect(whereTo(again.feed(transport(2), a.at))).toEqual([`wireguard ${b.at}`]);
    expect(whereTo(again.feed(transport(1), b.at))).toEqual([`wireguard ${a.at}`]);
    expect(again.forwarder.snapshot()).toMatchObject({ sessions: 2, flows: 2, packets: 2, received: 2 });
    // What was recalled is not written down again as news; the next keep-alive of each is.
    expect(memoryAgain().length).toBe(0);
    // An old Bind is as old as it was: with its cookie worthless, it moves nothing.
    again.feed(captured, b.at);
    expect(whereTo(again.feed(transport(2), a.at))).toEqual([`wireguard ${b.at}`]);
  });

  test("an outside client that was answered is served on, one that was not is forgotten soon", () => {
    const { relay, memory } = rememberingRelay();
    const inside = new TestAgent(relay, "192.0.2.1:1001", { acceptsOutside: true });
    inside.bind(relay);
    const [answered, ignored] = [5, 6].map((n) => new TestAgent(relay, `198.51.100.${n}:51820`)) as [
      TestAgent,
      TestAgent,
    ];
    shake(relay, answered, inside);
    relay.feed(ignored.initiationTo(inside, 3), ignored.at);
    const again = rememberingRelay(relay).relay;
    again.forwarder.recall(memory(), T0);
    expect(again.forwarder.snapshot().outsideClients).toBe(2);
    expect(whereTo(again.feed(transport(2), answered.at))).toEqual([`wireguard ${inside.at}`]);
    expect(whereTo(again.feed(transport(1), inside.at))).toEqual([`wireguard ${answered.at}`]);
    again.pass(20_000);
    expect(again.forwarder.snapshot().outsideClients).toBe(1);
  });

  test("follows the last of several addresses, and those who left are gone", () => {
    const { relay, memory } = rememberingRelay();
    const [a, b, c] = ["1:1", "2:2", "3:3"].map((end) => new TestAgent(relay, `192.0.2.${end}`)) as [
      TestAgent,
      TestAgent,
      TestAgent,
    ];
    for (const agent of [a, b, c]) agent.bind(relay);
    shake(relay, a, b);
    shake(relay, c, b, 3, 4);
    b.at = endpoint("198.51.100.7", 7);
    b.bind(relay);
    c.bindOnce(relay, { leaving: true });
    const again = rememberingRelay(relay).relay;
    again.forwarder.recall(memory(), T0);
    expect(whereTo(again.feed(transport(2), a.at))).toEqual([`wireguard ${b.at}`]);
    expect(again.feed(transport(4), c.at)).toEqual([]);
    expect(again.forwarder.snapshot().sessions).toBe(2);
  });

  test("keep-alives are written once in an era, declared flows when they are new", () => {
    const { relay, memory } = rememberingRelay();
    const [a, b] = [new TestAgent(relay, "192.0.2.1:1001"), new TestAgent(relay, "192.0.2.2:1002")];
    a.bind(relay);
    b.bind(relay);
    const counted = () => [...readMemory(memory())].length;
    expect(counted()).toBe(2);
    a.bindOnce(relay);
    expect(counted()).toBe(2);
    a.bindOnce(relay, { flows: [{ receiverIndex: 77, agent: b.id }] });
    expect(counted()).toBe(3);
    a.bindOnce(relay, { flows: [{ receiverIndex: 77, agent: b.id }] });
    expect(counted()).toBe(3);
    relay.forwarder.beginEra();
    a.bindOnce(relay);
    a.bindOnce(relay);
    expect(counted()).toBe(4);
    const again = rememberingRelay(relay).relay;
    again.forwarder.recall(memory(), T0);
    expect(whereTo(again.feed(transport(77), a.at))).toEqual([`wireguard ${b.at}`]);
  });

  test("takes nothing of the revoked, of expired tickets or of another network", () => {
    const { relay, memory } = rememberingRelay();
    const a = new TestAgent(relay, "192.0.2.1:1001");
    const b = new TestAgent(relay, "192.0.2.2:1002", { expiresAtMs: T0 + 1_000 });
    const c = new TestAgent(relay, "192.0.2.3:1003", { network: OTHER_NETWORK });
    for (const agent of [a, b, c]) agent.bind(relay);
    const lie = flowRecord(a.id, 9, c.id, T0_S, true);
    const records = new Uint8Array(Buffer.concat([memory(), lie]));
    const again = rememberingRelay(relay).relay;
    again.forwarder.revoke(a.id);
    again.forwarder.recall(records, T0 + 2_000);
    expect(again.forwarder.snapshot()).toMatchObject({ sessions: 1, flows: 0 });
    const other = rememberingRelay(relay).relay;
    other.forwarder.recall(records, T0);
    expect(other.forwarder.snapshot()).toMatchObject({ sessions: 3, flows: 0 });
  });
});
