/** Agents at a relay's further ports, on every data plane: answered from where they came to, and remembered there. */
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BindStatus, endpoint, splitEndpoint } from "@burrow/protocol";
import { SMALL_LIMITS, startRelay } from "../main.ts";
import { FakeCoordinator } from "../testing/fake-coordinator.ts";
import { transport } from "../testing/harness.ts";
import { LiveAgent } from "../testing/live-agent.ts";
import { UdpPeer } from "../testing/udp-agent.ts";

const SOCKET_VARIABLE = "BURROW_SOCKET";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function freePort(): Promise<number> {
  const peer = await UdpPeer.open();
  peer.close();
  return splitEndpoint(peer.at).port;
}

test.each([
  ["batched", 1],
  ["batched", 2],
  ["portable", 1],
] as const)(
  "an agent at a further port is answered from there, and meets one at the relay's own (%s, %i threads)",
  async (socket, threads) => {
    process.env[SOCKET_VARIABLE] = socket;
    cleanups.push(() => delete process.env[SOCKET_VARIABLE]);
    const from = new FakeCoordinator();
    cleanups.push(() => from.stop());
    const [taken, free] = [await UdpPeer.open(), await freePort()];
    cleanups.push(() => taken.close());
    const { port: takenPort } = splitEndpoint(taken.at);
    const furtherPorts = [takenPort, free];
    const stateDir = await mkdtemp(join(tmpdir(), "burrow-relay-"));
    cleanups.push(() => rm(stateDir, { recursive: true, force: true }));
    const start = async (port: number) => {
      const started = await startRelay({
        coordinatorUrl: from.url,
        token: "right",
        region: "test",
        listen: { address: "127.0.0.1", port },
        furtherPorts,
        threads,
        http: undefined,
        advertise: [],
        stateDir,
        limits: SMALL_LIMITS,
      });
      cleanups.push(() => started.stop());
      return started;
    };
    const first = await start(0);
    expect(from.hellos.at(-1)?.furtherPorts).toEqual([free]);
    const a = await LiveAgent.open(from, first, { port: free });
    const b = await LiveAgent.open(from, first);
    cleanups.push(() => [a, b].map(({ peer }) => peer.close()));
    expect(await a.bind()).toMatchObject({ status: BindStatus.bound, observed: a.peer.at });
    expect(a.peer.lastFrom).toBe(endpoint("127.0.0.1", free));
    await b.bind();
    const initiation = a.agent.initiationTo(b.agent, 1);
    a.send(initiation);
    expect(await b.peer.next()).toEqual(initiation);
    expect(b.peer.lastFrom).toBe(endpoint("127.0.0.1", first.port));
    const response = b.agent.responseTo(a.agent, 2, 1);
    b.send(response);
    expect(await a.peer.next()).toEqual(response);
    const exchange = async () => {
      a.send(transport(2, 1420));
      expect(await b.peer.next()).toEqual(transport(2, 1420));
      b.send(transport(1, 1400));
      expect(await a.peer.next()).toEqual(transport(1, 1400));
      expect(a.peer.lastFrom).toBe(endpoint("127.0.0.1", free));
    };
    await exchange();
    // What it learned outlives it, and with it by which port each agent comes.
    await first.stop();
    await start(first.port);
    await exchange();
  },
);
