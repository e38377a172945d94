/** Whatever arrives: nothing throws, nothing is believed, and every drop has its name. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DropReason } from "./sink.ts";
import { ipv4, type Node, type Pair, pair } from "./testkit.ts";

const DATA = new Uint8Array(40).fill(7);
const REASONS = new Set<string>(Object.values(DropReason));

/** A pair that has a session, and one genuine message of each type that its receiver has not seen. */
function witnesses(): { world: Pair["world"]; messages: readonly { to: Node; datagram: Uint8Array }[] } {
  const { world, a, b, bAtA, aAtB } = pair({
    b: { loadLimits: { handshakesPerSecondMax: 1, handshakesBurstMax: 4 } },
  });
  a.send(ipv4(1, 2, DATA), world.now);
  world.run(100);
  world.link = () => [];
  a.send(ipv4(1, 2, DATA), world.now);
  const transport = take(a, 4);
  a.engine.initiate(bAtA, world.now, { force: true });
  const initiation = take(a, 1);
  world.run(30);
  b.engine.initiate(aAtB, world.now, { force: true });
  a.receive(take(b, 1), "b", world.now);
  const response = take(a, 2);
  // Cookies come out of b once it is under load; the one for a's initiation is a's to read.
  const cookies = pair({ seed: 9, b: { loadLimits: { handshakesPerSecondMax: 0, handshakesBurstMax: 0 } } });
  cookies.world.link = () => [];
  cookies.a.engine.initiate(cookies.bAtA, 0);
  cookies.b.receive(take(cookies.a, 1), "a", 0);
  const cookie = take(cookies.b, 3);
  return {
    world,
    messages: [
      { to: b, datagram: initiation },
      { to: b, datagram: response },
      { to: cookies.a, datagram: cookie },
      { to: b, datagram: transport },
    ],
  };
}

function take(node: Node, type: number): Uint8Array {
  const last = node.sentOf(type).at(-1)?.datagram;
  if (last === undefined) throw new Error(`nothing of type ${type} was sent`);
  return last;
}

test("every truncation of every message is dropped", () => {
  const { world, messages } = witnesses();
  for (const { to, datagram } of messages) {
    const before = to.authenticatedBy.length;
    for (let length = 0; length < datagram.length; length++) {
      expect(REASONS.has(to.receive(datagram.subarray(0, length), "x", world.now) ?? "")).toBe(true);
    }
    expect(to.authenticatedBy.length).toBe(before);
  }
});

test("any changed byte is noticed, and the genuine message is still taken afterwards", () => {
  const { world, messages } = witnesses();
  for (const { to, datagram } of messages) {
    const before = to.authenticatedBy.length;
    // MAC2 counts under load alone, so it is left out.
    const end = datagram[0] === 1 || datagram[0] === 2 ? datagram.length - 16 : datagram.length;
    fc.assert(
      fc.property(fc.nat(end - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = datagram.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(REASONS.has(to.receive(changed, "x", world.now) ?? "")).toBe(true);
      }),
    );
    expect(to.authenticatedBy.length).toBe(before);
    expect(to.receive(datagram, "x", world.now)).toBeUndefined();
  }
});

test("extended messages and junk are dropped", () => {
  const { world, messages } = witnesses();
  for (const { to, datagram } of messages) {
    const longer = new Uint8Array(datagram.length + 1);
    longer.set(datagram);
    expect(REASONS.has(to.receive(longer, "x", world.now) ?? "")).toBe(true);
  }
  const [first] = messages;
  const junk = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(junk, ([type, tail]) => {
      const datagram = new Uint8Array([type, 0, 0, 0, ...tail]);
      expect(REASONS.has(first?.to.receive(datagram, "x", world.now) ?? "")).toBe(true);
    }),
  );
});

test("a counter near 2^64 is refused before any decryption", () => {
  const { world, messages } = witnesses();
  const { to, datagram } = messages[3] ?? { to: undefined, datagram: new Uint8Array() };
  const far = datagram.slice().fill(0xff, 8, 16);
  expect(to?.receive(far, "x", world.now)).toBe("counter-limit");
});

test("any packet from the tunnel's inside is taken or dropped by name", () => {
  const { world, a } = pair();
  world.link = () => [];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (packet) => {
      const reason = a.send(packet, world.now);
      expect(reason === undefined || REASONS.has(reason)).toBe(true);
    }),
  );
});
