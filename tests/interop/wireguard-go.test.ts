/** The WireGuard engine against Debian's wireguard-go: real sockets, real TUN devices, real TCP. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { skipWithoutInterop } from "./require.ts";
import { makePayload, type PingResult, transfer } from "./traffic.ts";
import { GO, OURS, Tunnel } from "./tunnel.ts";

const TIMEOUT_MS = 60_000;
const PRESHARED_KEY = "/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak=";
const UNDER_LOAD = { handshakesPerSecondMax: 0, handshakesBurstMax: 0 };

/** wireguard-go renews a session it began with the first packet after 120 s. */
const REKEY_AFTER_S = 120;
const PATIENT_PINGS = 2 * (REKEY_AFTER_S + 5);
/** An ICMP payload that fills an IPv4 packet of the tunnel's MTU. */
const WHOLE_PACKET = 1_420 - 20 - 8;

function expectAll(pinged: PingResult | undefined): void {
  expect(pinged?.answers).toBeGreaterThan(0);
  expect(pinged?.lost).toBe(0);
  expect(pinged?.unheard).toBeLessThanOrEqual(2);
}

const skip = skipWithoutInterop("wireguard-go.test.ts");

describe.skipIf(skip)("with wireguard-go", () => {
  // The one case that takes two minutes runs beside all the others.
  let patient: { tunnel: Tunnel; pinged: Promise<PingResult> } | undefined;
  beforeAll(async () => {
    const tunnel = await Tunnel.open({ knows: "go" });
    const pinged = tunnel.ping("go", OURS.v4, { count: PATIENT_PINGS, intervalMs: 500 });
    pinged.catch(() => {});
    patient = { tunnel, pinged };
  }, TIMEOUT_MS);
  afterAll(async () => {
    await patient?.tunnel.lab.close();
  });

  test(
    "a handshake begun by it: ping comes in, IPv4 and IPv6, whole packets too",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "go" });
      expectAll(await tunnel.ping("go", OURS.v4, { count: 20 }));
      expectAll(await tunnel.ping("go", OURS.v6, { count: 20 }));
      expectAll(await tunnel.ping("go", OURS.v4, { count: 5, payloadBytes: WHOLE_PACKET }));
      expectAll(await tunnel.ping("ours", GO.v4, { count: 20 }));
      const report = await tunnel.report();
      expect(report.sessions.map(({ role }) => role)).toEqual(["responder"]);
      expect(report.initiators).toEqual([tunnel.goPublicKey]);
      expect(report.drops).toEqual({});
    },
    TIMEOUT_MS,
  );

  test(
    "a handshake begun by us: ping goes out, IPv4 and IPv6, whole packets too",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "ours" });
      expectAll(await tunnel.ping("ours", GO.v4, { count: 20 }));
      expectAll(await tunnel.ping("ours", GO.v6, { count: 20 }));
      expectAll(await tunnel.ping("ours", GO.v4, { count: 5, payloadBytes: WHOLE_PACKET }));
      expectAll(await tunnel.ping("go", OURS.v4, { count: 20 }));
      const report = await tunnel.report();
      expect(report.sessions.map(({ role }) => role)).toEqual(["initiator"]);
      expect(report.drops).toEqual({});
      expect((await tunnel.go.peer()).endpoint).toBe(`${OURS.underlay}:${OURS.port}`);
    },
    TIMEOUT_MS,
  );

  test(
    "both begin at the same moment",
    async () => {
      await using tunnel = await Tunnel.open();
      const pings = await Promise.all([
        tunnel.ping("go", OURS.v4, { count: 50, intervalMs: 20 }),
        tunnel.ping("ours", GO.v4, { count: 50, intervalMs: 20 }),
      ]);
      for (const pinged of pings) expectAll(pinged);
    },
    TIMEOUT_MS,
  );

  test(
    "with the same preshared key, either way round",
    async () => {
      for (const knows of ["go", "ours"] as const) {
        const keys = { presharedKeyOfGo: PRESHARED_KEY, presharedKeyOfOurs: PRESHARED_KEY };
        await using tunnel = await Tunnel.open({ knows, ...keys });
        const [from, to] = knows === "go" ? (["go", OURS.v4] as const) : (["ours", GO.v4] as const);
        expectAll(await tunnel.ping(from, to, { count: 5 }));
        expect((await tunnel.report()).drops).toEqual({});
      }
    },
    TIMEOUT_MS,
  );

  test(
    "not with a preshared key on one side alone",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "ours", presharedKeyOfGo: PRESHARED_KEY });
      expect((await tunnel.ping("ours", GO.v4, { count: 3, intervalMs: 200 })).answers).toBe(0);
      expect((await tunnel.report()).drops).toEqual({ forged: 1 });
    },
    TIMEOUT_MS,
  );

  test(
    "100 MB over TCP arrive unchanged, in both directions",
    async () => {
      await using tunnel = await Tunnel.open();
      const payload = await makePayload(tunnel.lab, 100_000_000);
      for (const [from, address, to] of [
        [tunnel.goSpace, GO.v4, tunnel.oursSpace],
        [tunnel.oursSpace, OURS.v4, tunnel.goSpace],
      ] as const) {
        const start = performance.now();
        expect(await transfer(payload, from, address, to)).toBe("whole");
        const seconds = (performance.now() - start) / 1000;
        const way = from === tunnel.goSpace ? "in" : "out";
        console.log(`100 MB ${way}: ${(payload.bytes / 1e6 / seconds).toFixed(0)} MB/s`);
      }
    },
    2 * TIMEOUT_MS,
  );

  test(
    "sessions that we renew every two seconds lose no packet",
    async () => {
      const timings = { rekeyAfterMs: 2_000, rekeyTimeoutMs: 500 };
      await using tunnel = await Tunnel.open({ knows: "ours", timings });
      expectAll(await tunnel.ping("ours", GO.v4, { count: 450, intervalMs: 20 }));
      const report = await tunnel.report();
      expect(report.sessions.length).toBeGreaterThanOrEqual(4);
      expect(new Set(report.sessions.map(({ role }) => role))).toEqual(new Set(["initiator"]));
      expect(report.drops).toEqual({});
    },
    TIMEOUT_MS,
  );

  test(
    "when it moves to another port, we hear from where it speaks, and answer there",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "go" });
      expectAll(await tunnel.ping("go", OURS.v4, { count: 2 }));
      await tunnel.go.set("listen-port", "51999");
      expectAll(await tunnel.ping("go", OURS.v4, { count: 5 }));
      expect((await tunnel.report()).peerEndpoint).toBe(`${GO.underlay}:51999`);
    },
    TIMEOUT_MS,
  );

  test(
    "under load we ask it for a cookie, and it obeys",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "go", loadLimits: UNDER_LOAD });
      expect((await tunnel.ping("go", OURS.v4, { count: 80, intervalMs: 100 })).answers).toBeGreaterThan(0);
      const { sent, received, drops, sessions } = await tunnel.report();
      expect(sent.cookieReply).toBe(1);
      expect(received.initiation).toBe(2);
      expect(drops).toEqual({ "cookie-demanded": 1 });
      expect(sessions.length).toBe(1);
    },
    TIMEOUT_MS,
  );

  test(
    "under load it asks us for a cookie, and we obey",
    async () => {
      await using tunnel = await Tunnel.open({ knows: "ours" });
      const script = join(import.meta.dir, "flood.ts");
      const flood = [process.execPath, script, GO.underlay, String(GO.port), tunnel.goPublicKey];
      const flooding = tunnel.oursSpace.spawn(flood, { label: "flood" });
      await flooding.waitForLine(/^cookie$/, 20_000);
      for (let i = 0; i < 40 && (await tunnel.report()).sessions.length === 0; i++) {
        tunnel.host.write("initiate\n");
        await Bun.sleep(250);
      }
      const { received, sentWithCookie, sessions, drops } = await tunnel.report();
      expect(received.cookieReply).toBeGreaterThanOrEqual(1);
      expect(sentWithCookie).toBeGreaterThanOrEqual(1);
      expect(sessions.length).toBe(1);
      expect(drops).toEqual({});
      await flooding.stop();
      expectAll(await tunnel.ping("ours", GO.v4, { count: 3 }));
    },
    TIMEOUT_MS,
  );

  test(`a session that it renews after ${REKEY_AFTER_S} s loses no packet`, async () => {
    expectAll(await patient?.pinged);
    const report = await patient?.tunnel.report();
    expect(report?.sessions.map(({ role }) => role)).toEqual(["responder", "responder"]);
    const [first, second] = report?.sessions ?? [];
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(REKEY_AFTER_S * 1000 - 100);
    expect(report?.drops).toEqual({});
  }, 200_000);
});
