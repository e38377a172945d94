/**
 * Sessions renewed under load cost no packet: an agent as the command starts it, its packets in a thread, and a WireGuard
 * peer that renews its session several times a second, while TCP runs at full speed and pings are counted.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../lab/burrow.ts";
import { Bench } from "../lab/case.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/netns.ts";
import type { LabProcess } from "../lab/process.ts";
import { Topology } from "../lab/topology.ts";
import type { HostReport, HostSettings } from "./engine-host.ts";
import { skipWithoutInterop } from "./require.ts";
import { makePayload, ping, transfer, untilPinged } from "./traffic.ts";
import { newKeys } from "./tunnel.ts";

const TIMEOUT_MS = 120_000;
const PORT = 41_820;
const MTU = 1_360;
const CLIENT = "100.127.9.1";
/** The initiator renews a session as old as this when it sends, as others do after two minutes. */
const RENEWED_AFTER_MS = 250;
/** No sooner than this after the last handshake began. */
const HANDSHAKE_MS = 500;
const PAYLOAD_BYTES = 200_000_000;
/** Renewals under TCP that the test wants to see, and how often it sends the payload each way at most to see them. */
const RENEWALS = 8;
const MAX_ROUNDS = 20;
const PINGS = { count: 2_000, intervalMs: 2, payloadBytes: 1_000 };
/** How a packet dies of a session that is not there yet, or no longer, on either side. */
const DEADLY = ["unknown-index", "expired-key", "replayed", "forged", "queue-full", "no-path"];

const skip = skipWithoutInterop("rekey.test.ts");

describe.skipIf(skip)("sessions renewed several times a second", () => {
  let lab: Lab;
  let agent: AgentDaemon;
  let client: Host;
  let engine: LabProcess;

  beforeAll(async () => {
    lab = Lab.open();
    const bench = new Bench(lab, await Topology.create(lab), () => {});
    const host = (name: string, last: number) => bench.net.publicHost(name, `203.0.113.${last}`);
    const coordinator = await CoordinatorDaemon.start(bench, await host("coordinator", 10));
    await RelayDaemon.start(bench, coordinator, await host("relay", 20), "near");
    const keys = newKeys();
    const place = await host("agent", 1);
    agent = await AgentDaemon.start(bench, coordinator, place, "agent", "tun:bur0", [
      ...["--port", `${PORT}`, "--wg-client", `${keys.publicKey}=${CLIENT}`],
    ]);
    client = await host("client", 2);
    const settings: HostSettings = {
      privateKey: keys.privateKey,
      port: PORT,
      tunName: "burrow0",
      addresses: [{ address: CLIENT, prefixLength: 32 }],
      mtu: MTU,
      timings: { rekeyAfterMs: RENEWED_AFTER_MS, rekeyTimeoutMs: HANDSHAKE_MS },
      peer: {
        publicKey: (await agent.status()).publicKey,
        allowedIps: [`${agent.address}/32`],
        endpoint: `${place.address}:${PORT}`,
      },
    };
    const script = join(import.meta.dir, "engine-host.ts");
    engine = client.namespace.spawn([process.execPath, script, JSON.stringify(settings)], {
      label: "engine",
    });
    await engine.waitForLine(/^ready$/);
    await untilPinged(client.namespace, agent.address, 10_000);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await lab?.close();
  });

  /** Sessions so far, once none of either side has cost a packet. */
  async function sessionsWithoutLoss(): Promise<number> {
    const before = engine.lines.length;
    engine.write("report\n");
    const deadline = performance.now() + 5_000;
    let line: string | undefined;
    while (line === undefined && performance.now() < deadline) {
      line = engine.lines.slice(before).find(({ text }) => text.startsWith("{"))?.text;
      await Bun.sleep(10);
    }
    const { transportDrops, sessions } = JSON.parse(line ?? "{}") as HostReport;
    const status = await agent.look<{
      readonly packets: string;
      readonly drops: Readonly<Record<string, number>>;
    }>("/v1/status");
    const { BURROW_SOCKET } = process.env;
    expect(status.packets).toBe(BURROW_SOCKET === "portable" ? "portable" : "thread");
    for (const reason of DEADLY) {
      expect([reason, transportDrops[reason] ?? 0, status.drops[reason] ?? 0]).toEqual([reason, 0, 0]);
    }
    return sessions.length;
  }

  test(
    "pings one after another all come back",
    async () => {
      const before = await sessionsWithoutLoss();
      expect(await ping(client.namespace, agent.address, PINGS)).toMatchObject({ lost: 0 });
      expect(await ping(agent.host.namespace, CLIENT, PINGS)).toMatchObject({ lost: 0 });
      expect((await sessionsWithoutLoss()) - before).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );

  test(
    "TCP at full speed arrives whole, each way, and no packet of it was dropped for want of a session",
    async () => {
      const payload = await makePayload(lab, PAYLOAD_BYTES);
      const before = await sessionsWithoutLoss();
      // The faster the machine, the fewer renewals fall into one transfer: again until enough of them were seen.
      let renewed = 0;
      for (let rounds = 0; renewed < RENEWALS && rounds < MAX_ROUNDS; rounds++) {
        expect(await transfer(payload, agent.host.namespace, agent.address, client.namespace)).toBe("whole");
        expect(await transfer(payload, client.namespace, CLIENT, agent.host.namespace)).toBe("whole");
        renewed = (await sessionsWithoutLoss()) - before;
      }
      expect(renewed).toBeGreaterThanOrEqual(RENEWALS);
    },
    TIMEOUT_MS,
  );
});
