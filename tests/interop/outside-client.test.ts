/** An unmodified WireGuard client reaches an agent through a relay: real daemons, NATs, and wireguard-go. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AgentDaemon, CoordinatorDaemon, RELAY_PORT, RelayDaemon } from "../lab/burrow.ts";
import { Bench } from "../lab/case.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/netns.ts";
import { Topology } from "../lab/topology.ts";
import { skipWithoutInterop } from "./require.ts";
import { makePayload, ping, transfer, untilPinged } from "./traffic.ts";
import { newKeys } from "./tunnel.ts";
import { WireGuardGo } from "./wireguard-go.ts";

const TIMEOUT_MS = 90_000;
const CLIENT = "100.64.9.1";
const STRANGER = "100.64.9.2";
/** A WireGuard that hears nothing for KEEPALIVE + REKEY_TIMEOUT, 15 s, shakes hands anew (WireGuard §6.1). */
const NEW_HANDSHAKE_MAX_MS = 25_000;
const HOME_MOVES_MAX_MS = 15_000;
/** What WireGuard's own tools set; the agent's TUN takes less, and TCP finds out. */
const CLIENT_MTU = 1_420;
const MTU_IN_MESH = 1_360;

const skip = skipWithoutInterop("outside-client.test.ts");

describe.skipIf(skip)("a WireGuard client that knows nothing of Burrow", () => {
  let lab: Lab;
  let coordinator: CoordinatorDaemon;
  let relays: RelayDaemon[];
  let agent: AgentDaemon;
  let phone: Host;
  let thief: Host;
  let client: WireGuardGo;
  let agentKey: string;

  const endpointOf = (relay: RelayDaemon) => `${relay.host.address}:${RELAY_PORT}`;
  const relayIn = (region: string | undefined) => {
    const found = relays.find((relay) => relay.region === region);
    if (found === undefined) throw new Error(`no relay in ${region}`);
    return found;
  };
  async function untilHomeIsNot(relay: string | undefined): Promise<void> {
    const end = performance.now() + HOME_MOVES_MAX_MS;
    while ((await agent.status()).home?.relay === relay) {
      if (performance.now() > end) throw new Error("the home stays where it was");
      await Bun.sleep(100);
    }
  }
  async function bothWays(): Promise<void> {
    expect(await ping(phone.namespace, agent.address, { count: 10 })).toMatchObject({ lost: 0 });
    expect(await ping(agent.host.namespace, CLIENT, { count: 10 })).toMatchObject({ lost: 0 });
  }

  beforeAll(async () => {
    lab = Lab.open();
    const net = await Topology.create(lab);
    const bench = new Bench(lab, net, () => {});
    const host = (name: string, last: number) => net.publicHost(name, `203.0.113.${last}`);
    coordinator = await CoordinatorDaemon.start(bench, await host("coordinator", 10));
    relays = await Promise.all(
      ["one", "two", "three"].map(async (region, i) =>
        RelayDaemon.start(bench, coordinator, await host(`relay-${region}`, 21 + i), region),
      ),
    );
    const keys = newKeys();
    const office = await net.site("office", "port-restricted", "198.51.100.1");
    agent = await AgentDaemon.start(bench, coordinator, office, "office", "tun:bur0", [
      "--wg-client",
      `${keys.publicKey}=${CLIENT}`,
    ]);
    agentKey = (await agent.status()).publicKey;
    phone = await net.site("phone", "port-restricted", "198.51.100.2");
    thief = await net.site("thief", "port-restricted", "198.51.100.3");
    client = await wireGuardAt(phone, keys.privateKey, CLIENT);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await lab?.close();
  });

  async function wireGuardAt(host: Host, privateKey: string, address: string) {
    const go = await WireGuardGo.start(host.namespace, {
      privateKey,
      port: 0,
      addresses: [`${address}/32`],
      mtu: CLIENT_MTU,
      peer: {
        publicKey: agentKey,
        allowedIps: [`${agent.address}/32`],
        endpoint: endpointOf(relayIn(await agent.homeRegion())),
        persistentKeepaliveS: 25,
      },
    });
    await host.namespace.ip(`route add ${agent.address}/32 dev ${go.interfaceName}`);
    return go;
  }

  test(
    "shakes hands through the agent's home relay, and then either side pings the other",
    async () => {
      await untilPinged(phone.namespace, agent.address, 10_000);
      await bothWays();
      const whole = MTU_IN_MESH - 28;
      expect(await ping(phone.namespace, agent.address, { count: 3, payloadBytes: whole })).toMatchObject({
        lost: 0,
        answers: 3,
      });
    },
    TIMEOUT_MS,
  );

  test(
    "20 MB over TCP arrive unchanged, in both directions",
    async () => {
      const payload = await makePayload(lab, 20_000_000);
      const office = agent.host.namespace;
      expect(await transfer(payload, phone.namespace, CLIENT, office)).toBe("whole");
      expect(await transfer(payload, office, agent.address, phone.namespace)).toBe("whole");
    },
    TIMEOUT_MS,
  );

  test(
    "a key that the agent was not told gets no answer, and those who were go on",
    async () => {
      const stranger = await wireGuardAt(thief, newKeys().privateKey, STRANGER);
      const [pinged] = await Promise.all([
        ping(thief.namespace, agent.address, { count: 15, intervalMs: 200 }),
        bothWays(),
      ]);
      expect(pinged.answers).toBe(0);
      expect(await stranger.peer()).toMatchObject({ rxBytes: 0, latestHandshakeUnix: 0 });
      expect((await stranger.peer()).txBytes).toBeGreaterThan(0);
      await stranger.process.stop();
    },
    TIMEOUT_MS,
  );

  test(
    "comes from another port, shakes hands again and goes on",
    async () => {
      const before = (await client.peer()).latestHandshakeUnix;
      await client.set("listen-port", "40007");
      const tookMs = await untilPinged(phone.namespace, agent.address, NEW_HANDSHAKE_MAX_MS);
      console.log(`after another port: ${(tookMs / 1000).toFixed(1)} s`);
      expect((await client.peer()).latestHandshakeUnix).toBeGreaterThan(before);
      await bothWays();
    },
    TIMEOUT_MS,
  );

  test(
    "the agent's home moves: the client's relay still leads to the agent",
    async () => {
      const { home } = await agent.status();
      await coordinator.drain(home?.relay ?? "");
      await untilHomeIsNot(home?.relay);
      await bothWays();
      await coordinator.drain(home?.relay ?? "", true);
    },
    TIMEOUT_MS,
  );
});
