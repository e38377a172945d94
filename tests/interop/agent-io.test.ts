/**
 * Whichever way an agent moves its packets, they arrive as they were sent: in a thread with the kernel's offloads, in
 * one without, and by the portable socket, each against a thread with all of them; and whatever else the system puts into
 * the device, they go on arriving. `BURROW_INTEROP_MB` sets how much.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../lab/burrow.ts";
import { Bench } from "../lab/case.ts";
import { Lab } from "../lab/netns.ts";
import { Topology } from "../lab/topology.ts";
import { skipWithoutInterop } from "./require.ts";
import { makePayload, type Payload, ping, transfer, untilPinged } from "./traffic.ts";

const TIMEOUT_MS = 60_000;
const { BURROW_INTEROP_MB = "30" } = process.env;
const MEGABYTES = Number(BURROW_INTEROP_MB);
/** An ICMP payload that fills an IPv4 packet of the tunnel's MTU, and one that has to go in fragments. */
const WHOLE_PACKET = 1_360 - 20 - 8;
const FRAGMENTS = 4_000;
const DEVICE = "bur0";
const JUNK = 5_000;
const SEED = 7;

/** Each says which socket it has, whichever all else is to have. */
const VARIANTS = [
  { name: "thread", environment: { BURROW_SOCKET: "batched" }, packets: "thread" },
  { name: "plain", environment: { BURROW_SOCKET: "batched", BURROW_OFFLOADS: "off" }, packets: "thread" },
  { name: "portable", environment: { BURROW_SOCKET: "portable" }, packets: "portable" },
] as const;

/** ECT(0) in a header's traffic class. */
const SERVICE_CAPABLE = 2;
/** A sender that hears of congestion with every round trip sends two segments at a time. */
const MARKED_BYTES = 500_000;
/** Marks whatever can be marked outside, as a queue that is always full would, and counts what comes inside. */
const MARKING = `
table inet marking {
  counter outer_capable {}
  counter inner_capable {}
  counter inner_congested4 {}
  counter inner_congested6 {}
  counter inner_plain {}
  chain before {
    type filter hook prerouting priority mangle;
    iifname "${DEVICE}" ip protocol icmp ip ecn ce counter name inner_congested4
    iifname "${DEVICE}" ip protocol icmp ip ecn ect0 counter name inner_capable
    iifname "${DEVICE}" ip protocol icmp ip ecn not-ect counter name inner_plain
    iifname "${DEVICE}" icmpv6 type echo-request ip6 ecn ce counter name inner_congested6
    iifname "${DEVICE}" icmpv6 type echo-request ip6 ecn ect0 counter name inner_capable
    iifname "${DEVICE}" icmpv6 type echo-request ip6 ecn not-ect counter name inner_plain
    iifname != "${DEVICE}" udp dport != 53 ip ecn ect0 counter name outer_capable ip ecn set ce
  }
}
`;
interface Counters {
  readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[];
}

const skip = skipWithoutInterop("agent-io.test.ts");

describe.skipIf(skip)("an agent's packets", () => {
  let lab: Lab;
  let bench: Bench;
  let coordinator: CoordinatorDaemon;
  let reference: AgentDaemon;
  let payload: Payload;

  beforeAll(async () => {
    lab = Lab.open();
    bench = new Bench(lab, await Topology.create(lab), () => {});
    coordinator = await CoordinatorDaemon.start(bench, await host("coordinator", 10));
    await RelayDaemon.start(bench, coordinator, await host("relay", 20), "near");
    reference = await agent("reference", 1, { BURROW_SOCKET: "batched" });
    payload = await makePayload(lab, MEGABYTES * 1_000_000);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await lab?.close();
  });

  const host = (name: string, last: number) => bench.net.publicHost(name, `203.0.113.${last}`);

  /** What is set here, the lab hands on to what it starts. */
  async function agent(
    name: string,
    last: number,
    environment: Readonly<Record<string, string>>,
  ): Promise<AgentDaemon> {
    const before = { ...process.env };
    Object.assign(process.env, environment);
    try {
      return await AgentDaemon.start(bench, coordinator, await host(name, last), name, `tun:${DEVICE}`);
    } finally {
      for (const variable of Object.keys(environment)) {
        if (before[variable] === undefined) delete process.env[variable];
        else process.env[variable] = before[variable];
      }
    }
  }

  async function untilDirect(one: AgentDaemon, other: AgentDaemon): Promise<void> {
    await bench.until("the path is direct", async () => {
      const paths = await Promise.all([one.pathTo(other), other.pathTo(one)]);
      return paths.every((path) => path?.kind === "direct");
    });
  }

  /** Any bytes, as if the system had sent them into the tunnel. */
  async function junkInto({ host: { namespace } }: AgentDaemon): Promise<void> {
    const script = join(import.meta.dir, "junk.py");
    await namespace.run(["python3", script, DEVICE, `${JUNK}`, `${SEED}`]);
  }

  for (const [i, { name, environment, packets }] of VARIANTS.entries()) {
    test(
      `${name}: ${MEGABYTES} MB over TCP each way, IPv4 and IPv6, whole packets and fragments`,
      async () => {
        const other = await agent(name, 2 + i, environment);
        expect(await other.look("/v1/status")).toMatchObject({ packets });
        const [near, far] = [reference.host.namespace, other.host.namespace];
        await untilPinged(near, other.address, 10_000);
        for (const payloadBytes of [WHOLE_PACKET, FRAGMENTS]) {
          expect(await ping(near, other.address, { count: 20, payloadBytes })).toMatchObject({ lost: 0 });
        }
        const { ipv6 } = await other.status();
        for (const address of [other.address, ipv6]) {
          expect(await transfer(payload, far, address, near)).toBe("whole");
        }
        const own = await reference.status();
        for (const address of [own.ipv4, own.ipv6]) {
          expect(await transfer(payload, near, address, far)).toBe("whole");
        }
        // Nothing was damaged on the way. Replays are as they should be: what goes two ways comes twice.
        const { drops } = await other.look<{ drops: Readonly<Record<string, number>> }>("/v1/status");
        for (const reason of ["forged", "malformed", "not-ip", "source-not-allowed"]) {
          expect([reason, drops[reason] ?? 0]).toEqual([reason, 0]);
        }
        await junkInto(other);
        expect(await ping(near, other.address, { count: 20 })).toMatchObject({ lost: 0 });
        expect(other.process.text("stderr")).not.toContain("mistake");
      },
      4 * TIMEOUT_MS,
    );
  }

  test(
    "what queues on the way mark is heard of inside, and only by those who can hear",
    async () => {
      const marked = await agent("marked", 9, { BURROW_SOCKET: "batched" });
      const [near, far] = [reference.host.namespace, marked.host.namespace];
      await untilPinged(near, marked.address, 10_000);
      await untilDirect(reference, marked);
      await far.run(["nft", "-f", "-"], { stdin: MARKING });
      const { ipv6 } = await marked.status();
      for (const address of [marked.address, ipv6]) {
        expect(await ping(near, address, { count: 20, service: SERVICE_CAPABLE })).toMatchObject({ lost: 0 });
        expect(await ping(near, address, { count: 20 })).toMatchObject({ lost: 0 });
      }
      const { stdout } = await far.run(["nft", "-j", "list", "counters"]);
      const heard = new Map(
        (JSON.parse(stdout) as Counters).nftables.flatMap(({ counter }) =>
          counter === undefined ? [] : [[counter.name, counter.packets] as const],
        ),
      );
      expect(heard.get("outer_capable")).toBeGreaterThanOrEqual(40);
      expect(heard.get("inner_congested4")).toBe(20);
      expect(heard.get("inner_congested6")).toBe(20);
      expect(heard.get("inner_capable")).toBe(0);
      expect(heard.get("inner_plain")).toBeGreaterThanOrEqual(40);
      for (const { namespace } of [reference.host, marked.host]) {
        await namespace.run(["sysctl", "-qw", "net.ipv4.tcp_ecn=1"]);
      }
      const small = await makePayload(lab, MARKED_BYTES);
      expect(await transfer(small, near, reference.address, far)).toBe("whole");
      expect(await transfer(small, far, marked.address, near)).toBe("whole");
    },
    2 * TIMEOUT_MS,
  );
});
