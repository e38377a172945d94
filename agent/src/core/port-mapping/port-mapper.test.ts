/** A port from the router: by whatever it speaks, kept while it can be, given back, and never waited for. */
import { describe, expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import fc from "fast-check";
import type { MappingProtocol } from "./asker.ts";
import { FakeRouter, HOME, MapperUnderTest, PORT } from "./testkit.ts";

const OUTSIDE = `203.0.113.9:${PORT}` as Endpoint;
const HOUR_MS = 3_600_000;
const ALL: readonly MappingProtocol[] = ["pcp", "nat-pmp", "upnp"];

function mapped(...speaks: MappingProtocol[]) {
  const router = new FakeRouter(speaks);
  const world = new MapperUnderTest(router).plugIn();
  return { router, world };
}

describe("each protocol alone", () => {
  test.each([
    ["pcp", 10],
    // It says at once that it speaks no PCP.
    ["nat-pmp", 10],
    ["upnp", 650],
  ] as const)("%s grants within %d ms", (protocol, withinMs) => {
    const { world, router } = mapped(protocol);
    world.run(withinMs);
    expect(world.mapper.state).toBe("mapped");
    expect(world.mapper.lease).toMatchObject({ protocol, outside: OUTSIDE, gateway: HOME.address });
    expect(router.mappings).toEqual(new Map([[PORT, PORT]]));
    expect(world.changes).toEqual([OUTSIDE]);
  });

  test.each(ALL.map((protocol) => [protocol]))("%s is renewed at half its life, and stays", (protocol) => {
    const { world, router } = mapped(protocol);
    world.run(5_000);
    const asked = router.heard.length;
    world.run(HOUR_MS - 10_000);
    expect(router.heard.length).toBe(asked);
    world.run(10_000);
    expect(router.heard.length).toBe(asked + 1);
    world.run(24 * HOUR_MS);
    expect(world.outside).toBe(OUTSIDE);
    expect(world.changes.length).toBe(1);
    expect(router.heard.length).toBeLessThan(asked + 30);
  });

  test.each(ALL.map((protocol) => [protocol]))("%s is given back at the end", (protocol) => {
    const { world, router } = mapped(protocol);
    world.run(5_000);
    world.mapper.leave(world.now);
    expect(world.mapper.isLeaving).toBe(true);
    world.run(20);
    expect(world.mapper.isLeaving).toBe(false);
    expect(router.mappings.size).toBe(0);
    expect(router.heard.at(-1)).toContain("release");
    const { length } = router.heard;
    world.run(24 * HOUR_MS);
    expect(router.heard.length).toBe(length);
  });

  test.each(ALL.map((protocol) => [protocol]))(
    "%s: without an outer address there is no candidate",
    (protocol) => {
      const { world, router } = mapped(protocol);
      router.outsideAddress = "0.0.0.0";
      world.run(20_000);
      expect(world.mapper.state).toBe("unavailable");
      expect(world.changes).toEqual([]);
      expect(router.mappings.size).toBe(0);
      expect(world.mapper.problems.get(protocol)).toBe("it has no outer address itself");
    },
  );
});

test("of several protocols the best is taken, and no other asks for a second port", () => {
  const { world, router } = mapped("upnp", "nat-pmp", "pcp");
  world.run(60_000);
  expect(world.mapper.lease?.protocol).toBe("pcp");
  expect(router.heard).toEqual([`pcp ${PORT}`]);
});

test("nobody there: few datagrams, then quiet for ten minutes", () => {
  const world = new MapperUnderTest().plugIn().run(10_000);
  expect(world.mapper.state).toBe("unavailable");
  expect(Object.fromEntries(world.mapper.problems)).toEqual({
    pcp: "no answer",
    "nat-pmp": "no answer",
    upnp: "no answer",
  });
  const { length } = world.sent;
  expect(length).toBeLessThan(25);
  world.run(580_000);
  expect(world.sent.length).toBe(length);
  world.router = new FakeRouter(["pcp"]);
  world.run(20_000);
  expect(world.outside).toBe(OUTSIDE);
});

test("a refusal is told in words, and the next protocol is tried at once", () => {
  const { world, router } = mapped("pcp", "nat-pmp");
  router.refusesWith = 2;
  world.run(10_000);
  expect(world.mapper.state).toBe("unavailable");
  expect(world.mapper.problems.get("pcp")).toContain("does not allow it");
  expect(world.mapper.problems.get("nat-pmp")).toBe("it does not allow it");
});

test("a router that falls silent keeps the candidate until the lease has run out, and is asked on", () => {
  const { world } = mapped("pcp");
  world.run(1_000);
  world.router = undefined;
  world.run(2 * HOUR_MS - 10_000);
  expect(world.outside).toBe(OUTSIDE);
  world.run(20_000);
  expect(world.changes).toEqual([OUTSIDE, undefined]);
  expect(world.sent.length).toBeLessThan(150);
});

test("a router that was started anew and answers elsewhere is found again by UPnP", () => {
  const { world, router } = mapped("upnp");
  world.run(2_000);
  router.controlPath = "/new";
  router.mappings.clear();
  world.run(HOUR_MS + 10_000);
  expect(router.mappings).toEqual(new Map([[PORT, PORT]]));
  expect(world.changes).toEqual([OUTSIDE]);
});

test("when relays see us elsewhere, the mapping is asked for again at once, and its new outside is told", () => {
  const { world, router } = mapped("pcp");
  world.run(30_000);
  router.mappings.clear();
  router.outsideAddress = "203.0.113.77";
  world.mapper.outsideChanged(world.now);
  world.run(10);
  expect(world.changes).toEqual([OUTSIDE, `203.0.113.77:${PORT}` as Endpoint]);
  const { length } = router.heard;
  for (let i = 0; i < 50; i++) world.mapper.outsideChanged(world.now);
  expect(router.heard.length).toBe(length);
});

test("another network: the old router is told, the new one asked; without one there is no candidate", () => {
  const { world, router: old } = mapped("pcp");
  world.run(1_000);
  const office = { address: "10.0.0.1", local: "10.0.0.9" };
  world.plugIn(office);
  world.router = new FakeRouter(["nat-pmp"], office);
  world.router.outsideAddress = "198.51.100.7";
  world.run(1_000);
  expect(old.heard.at(-1)).toBe("pcp release");
  expect(world.mapper.lease).toMatchObject({ gateway: "10.0.0.1", outside: `198.51.100.7:${PORT}` });
  world.mapper.setGateway(undefined, PORT, world.now);
  expect(world.mapper.state).toBe("no-gateway");
  expect(world.changes.at(-1)).toBeUndefined();
  const { length } = world.sent;
  world.run(HOUR_MS);
  expect(world.sent.length).toBe(length);
});

test("the same network told again changes nothing", () => {
  const { world, router } = mapped("pcp");
  world.run(1_000);
  for (let i = 0; i < 5; i++) world.plugIn({ ...HOME }).run(100);
  expect(router.heard).toEqual([`pcp ${PORT}`]);
});

test("switched off, or with a public address, nobody is asked", () => {
  const off = new MapperUnderTest(new FakeRouter(ALL), false).plugIn().run(HOUR_MS);
  expect([off.mapper.state, off.sent.length]).toEqual(["off", 0]);
  const open = new MapperUnderTest(new FakeRouter(ALL));
  open.plugIn({ address: "203.0.113.1", local: "203.0.113.50" }).run(HOUR_MS);
  expect([open.mapper.state, open.sent.length]).toEqual(["public", 0]);
});

describe("UPnP's ways to say no", () => {
  test("a taken port: others are tried, a few", () => {
    const { world, router } = mapped("upnp");
    router.taken.add(PORT);
    world.run(2_000);
    expect(world.mapper.state).toBe("mapped");
    expect(world.outside).not.toBe(OUTSIDE);
    router.taken.clear();
    const stubborn = mapped("upnp");
    stubborn.router.refusesWith = 718;
    stubborn.world.run(60_000);
    expect(stubborn.router.heard.length).toBe(4);
    expect(stubborn.world.mapper.state).toBe("unavailable");
  });

  test("only for good: then for good, renewed all the same, and given back", () => {
    const { world, router } = mapped("upnp");
    router.onlyPermanent = true;
    world.run(2_000);
    expect(router.heard).toEqual([`upnp ${PORT} for 7200`, `upnp ${PORT} for 0`]);
    world.mapper.leave(world.now);
    world.run(100);
    expect(router.mappings.size).toBe(0);
  });
});

test("leaving waits a second at most, for whoever is there", () => {
  const { world } = mapped("upnp");
  world.run(2_000);
  world.router = undefined;
  world.mapper.leave(world.now);
  world.run(999);
  expect(world.mapper.isLeaving).toBe(true);
  world.run(10);
  expect(world.mapper.isLeaving).toBe(false);
  const alone = new MapperUnderTest().plugIn().run(10_000);
  alone.mapper.leave(alone.now);
  expect(alone.mapper.isLeaving).toBe(false);
});

test("lifetimes that no router should give", () => {
  for (const lifetimeS of [1, 7, 4_000_000_000]) {
    const { world, router } = mapped("pcp");
    router.lifetimeS = lifetimeS;
    world.run(600_000);
    expect(world.outside).toBe(OUTSIDE);
    expect(router.heard.length).toBeLessThanOrEqual(151);
  }
});

describe("strangers", () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ minLength: 14, maxLength: 58 }).map((rest) => Uint8Array.of(0, 0x81, ...rest)),
    fc.uint8Array({ minLength: 58, maxLength: 58 }).map((rest) => Uint8Array.of(2, 0x81, ...rest)),
    fc
      .string()
      .map((text) => new TextEncoder().encode(`HTTP/1.1 200 OK\r\nST: ${text}\r\nLOCATION: ${text}`)),
  );
  const from = fc.constantFrom(
    "192.168.1.1:5351",
    "192.168.1.1:1900",
    "192.168.1.9:5351",
    "203.0.113.9:5351",
  );

  test("whatever comes from whomever, nothing throws, and only the router itself grants", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, from), { maxLength: 20 }), (datagrams) => {
        const world = new MapperUnderTest().plugIn();
        for (const [datagram, sender] of datagrams) {
          world.hear(datagram, sender as Endpoint);
          world.run(50);
        }
        const isRouters = datagrams.some(([, sender]) => sender.startsWith("192.168.1.1:"));
        if (!isRouters) expect(world.mapper.lease).toBeUndefined();
        world.run(60_000);
        expect(world.sent.length).toBeLessThan(200);
      }),
    );
  });

  test("an answer from another address than the router's is nobody's", () => {
    const router = new FakeRouter(["pcp"]);
    const world = new MapperUnderTest().plugIn();
    const [answer] = router.datagram(new Uint8Array(60).with(0, 2), 5351)[0] ?? [];
    expect(world.mapper.receive(answer ?? new Uint8Array(), "192.168.1.66:5351" as Endpoint, world.now)).toBe(
      false,
    );
  });

  test("whatever HTTP answers, and in whatever order, ends in a state", () => {
    const body = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/x</controlURL></service>",
        "<errorCode>718</errorCode>",
        "<errorCode>725</errorCode>",
        "<NewExternalIPAddress>224.0.0.1</NewExternalIPAddress>",
        "<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>",
      ),
    );
    const answers = fc.array(fc.record({ status: fc.constantFrom(200, 500, 404, 0), body }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(answers, (told) => {
        const router = new FakeRouter(["upnp"]);
        const left = [...told];
        router.http = () => left.shift();
        const world = new MapperUnderTest(router).plugIn().run(120_000);
        expect(["mapped", "unavailable"]).toContain(world.mapper.state);
        for (const outside of world.changes) expect(outside ?? "").not.toStartWith("224.");
      }),
    );
  });
});
