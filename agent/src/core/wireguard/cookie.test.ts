/** Under load: who is asked for a cookie, who is believed, and for how long. */
import { describe, expect, test } from "bun:test";
import { noblePrimitives } from "@burrow/platform";
import { CookieHolder, CookieIssuer } from "./cookie.ts";
import { LoadDetector, SourceLimiter } from "./load.ts";
import { ipv4, pair, World } from "./testkit.ts";

const DATA = new Uint8Array(40);
const ALWAYS = { handshakesPerSecondMax: 0, handshakesBurstMax: 0 };

describe("a loaded responder", () => {
  test("answers with a cookie, and takes the next initiation, which carries it", () => {
    const { world, a, b } = pair({ b: { loadLimits: ALWAYS } });
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(1_000);
    expect(b.sent.map((sent) => [sent.datagram[0], sent.datagram.length, sent.replyTo])).toEqual([
      [3, 64, "a"],
    ]);
    expect(b.drops).toEqual(["cookie-demanded"]);
    expect(a.sentOf(1).length).toBe(1);
    world.run(5_000);
    expect(b.delivered.length).toBe(1);
    const mac2s = a.sentOf(1).map((sent) => sent.datagram.subarray(132).some((byte) => byte !== 0));
    expect(mac2s).toEqual([false, true]);
  });

  test("is satisfied at once by a kick, which then makes a new initiation", () => {
    const { world, a, b, bAtA } = pair({ b: { loadLimits: ALWAYS } });
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(100);
    expect(a.engine.kick(bAtA, world.now)).toBe(true);
    world.run(100);
    expect(b.delivered.length).toBe(1);
  });

  test("asks for cookies in responses to its own initiations too", () => {
    const { world, a, b } = pair({ a: { loadLimits: ALWAYS } });
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(100);
    expect(a.sentOf(3).length).toBe(1);
    world.run(6_000);
    expect(b.delivered.length).toBe(1);
  });

  test("does not take a cookie that was given to another source", () => {
    const { world, a, b } = pair({ b: { loadLimits: ALWAYS } });
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(100);
    world.link = () => [];
    world.run(5_500);
    const withCookie = a.sentOf(1)[1]?.datagram ?? new Uint8Array();
    expect(b.receive(withCookie, "elsewhere", world.now)).toBe("cookie-demanded");
    expect(b.receive(withCookie, "a", world.now)).toBeUndefined();
  });

  test("sends nothing to those whose MAC1 is wrong", () => {
    const { world, a, b, bAtA } = pair({ b: { loadLimits: ALWAYS } });
    world.link = () => [];
    a.engine.initiate(bAtA, world.now);
    const forged = a.sentOf(1)[0]?.datagram.slice() ?? new Uint8Array();
    forged[50] = (forged[50] ?? 0) ^ 1;
    expect(b.receive(forged, "a", world.now)).toBe("bad-mac1");
    expect(b.sent).toEqual([]);
  });
});

describe("a cookie reply", () => {
  const world = new World();
  const publicKey = noblePrimitives.x25519Public(world.bytes(32));
  const issuer = () =>
    new CookieIssuer(noblePrimitives, (out) => out.set(world.bytes(out.length)), publicKey);
  const initiation = () => {
    const message = world.bytes(148);
    message.set([1, 0, 0, 0, 1, 2, 3, 4]);
    return message;
  };
  const source = Uint8Array.of(192, 0, 2, 1);

  test("opens for the last message only, and once", () => {
    const [from, holder] = [issuer(), new CookieHolder(noblePrimitives, publicKey)];
    const first = initiation();
    expect(holder.accept(from.reply(first, source, 0), 0)).toBe(false);
    holder.writeMacs(first, 0);
    const reply = from.reply(first, source, 0);
    expect([...reply.subarray(4, 8)]).toEqual([1, 2, 3, 4]);
    holder.writeMacs(initiation(), 0);
    expect(holder.accept(reply, 0)).toBe(false);
    const last = initiation();
    holder.writeMacs(last, 0);
    const good = from.reply(last, source, 0);
    expect(holder.accept(good, 0)).toBe(true);
    expect(holder.accept(good, 0)).toBe(false);
  });

  test("holds for 120 s on both sides; the secret changes with the first reply after them", () => {
    const [from, holder] = [issuer(), new CookieHolder(noblePrimitives, publicKey)];
    const first = initiation();
    holder.writeMacs(first, 0);
    holder.accept(from.reply(first, source, 0), 0);
    const proof = (now: number) => {
      const message = initiation();
      holder.writeMacs(message, now);
      return message;
    };
    const early = proof(119_999);
    expect(from.verifyMac2(early, source, 119_999)).toBe(true);
    expect(from.verifyMac2(early, Uint8Array.of(192, 0, 2, 2), 119_999)).toBe(false);
    expect(from.verifyMac2(early, source, 120_000)).toBe(false);
    from.reply(first, source, 120_000);
    expect(from.verifyMac2(early, source, 120_001)).toBe(false);
  });
});

describe("load", () => {
  test("begins when more handshakes come than the rate and its burst, and lasts a second", () => {
    const load = new LoadDetector({ handshakesPerSecondMax: 10, handshakesBurstMax: 3 });
    expect([0, 0, 0, 0].map((now) => load.countHandshake(now))).toEqual([false, false, false, true]);
    expect(load.countHandshake(999)).toBe(true);
    expect(load.countHandshake(1_000)).toBe(false);
    expect([1_100, 1_200, 1_300, 1_400].map((now) => load.countHandshake(now))).not.toContain(true);
  });

  test("leaves each proven source 20 a second, five at once", () => {
    const sources = new SourceLimiter();
    const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)];
    const burst = Array.from({ length: 6 }, () => sources.allow(one, 0));
    expect(burst).toEqual([true, true, true, true, true, false]);
    expect(sources.allow(two, 0)).toBe(true);
    expect(sources.allow(one, 49)).toBe(false);
    expect(sources.allow(one, 101)).toBe(true);
  });
});
