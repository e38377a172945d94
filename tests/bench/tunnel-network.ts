/**
 * Where bench:tunnel measures: two hosts on the lab's internet with an agent of Burrow each, and two with wireguard-go
 * (apart, or the agents would find a path through its tunnel); a coordinator, a relay, and a forwarder that stands in
 * for the relay on wireguard-go's way. Only one of the two tunnels carries traffic at a time; the other is idle. What
 * is measured is tunnel.ts's business.
 */

import { untilPinged } from "../interop/traffic.ts";
import { newKeys } from "../interop/tunnel.ts";
import { WireGuardGo } from "../interop/wireguard-go.ts";
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../lab/burrow.ts";
import type { Bench } from "../lab/case.ts";
import type { Host } from "../lab/host.ts";
import type { Namespace } from "../lab/netns.ts";
import type { LabProcess } from "../lab/process.ts";

const WIREGUARD_PORT = 51_820;
const FORWARDER_PORT = 51_999;
/** What each sets by itself: the agent's fits every path, wireguard-go's fits Ethernet. */
const WIREGUARD_MTU = 1_420;

export type PathKind = "direct" | "relay";

/** One of the two that are compared: where to send so that it carries the traffic, and what it runs on. */
export interface Contender {
  readonly name: "burrow" | "wireguard-go";
  readonly from: Namespace;
  /** The far end's address inside the tunnel. */
  readonly target: string;
  readonly processes: readonly { readonly what: string; readonly pid: number }[];
}

interface Hosts {
  readonly a: Host;
  readonly b: Host;
  readonly c: Host;
  readonly d: Host;
  readonly hub: Host;
}

export class TunnelNetwork {
  readonly #bench: Bench;
  /** The agents', wireguard-go's, and the relay's. */
  readonly #hosts: Hosts;
  readonly #agents: readonly [AgentDaemon, AgentDaemon];
  readonly #relay: RelayDaemon;
  readonly #wireguards: readonly [WireGuardGo, WireGuardGo];
  readonly #keys: readonly { readonly publicKey: string }[];
  readonly #forwarder: LabProcess;

  private constructor(
    bench: Bench,
    hosts: Hosts,
    agents: readonly [AgentDaemon, AgentDaemon],
    relay: RelayDaemon,
    wireguards: readonly [WireGuardGo, WireGuardGo],
    keys: readonly { readonly publicKey: string }[],
    forwarder: LabProcess,
  ) {
    this.#bench = bench;
    this.#hosts = hosts;
    this.#agents = agents;
    this.#relay = relay;
    this.#wireguards = wireguards;
    this.#keys = keys;
    this.#forwarder = forwarder;
  }

  static async create(bench: Bench): Promise<TunnelNetwork> {
    const host = (name: string, last: number) => bench.net.publicHost(name, `203.0.113.${last}`);
    const place = await host("coordinator", 10);
    // Nobody holds wireguard-go's traffic to a rate either.
    const coordinator = await CoordinatorDaemon.start(bench, place, { agentRate: "none" });
    const hub = await host("relay", 20);
    const relay = await RelayDaemon.start(bench, coordinator, hub, "bench");
    const [a, b, c, d] = [await host("a", 1), await host("b", 2), await host("c", 3), await host("d", 4)];
    const agents = [
      await AgentDaemon.start(bench, coordinator, a, "a"),
      await AgentDaemon.start(bench, coordinator, b, "b"),
    ] as const;
    const keys = [newKeys(), newKeys()] as const;
    const wireguards = [
      await startWireGuard(c, keys[0].privateKey, 1, keys[1].publicKey, d.address),
      await startWireGuard(d, keys[1].privateKey, 2, keys[0].publicKey, c.address),
    ] as const;
    const forwarder = hub.namespace.spawn(
      [
        ...[process.execPath, `${import.meta.dir}/forwarder.child.ts`, hub.address, `${FORWARDER_PORT}`],
        ...[`${c.address}:${WIREGUARD_PORT}`, `${d.address}:${WIREGUARD_PORT}`],
      ],
      { label: "forwarder" },
    );
    await bench.until("the forwarder is ready", async () => forwarder.text("stdout").includes("ready"));
    for (const { namespace } of [b, d]) namespace.spawn(["iperf3", "--server"], { label: "iperf3" });
    return new TunnelNetwork(bench, { a, b, c, d, hub }, agents, relay, wireguards, keys, forwarder);
  }

  /** Both contenders, once packets pass by this kind of path. Direct comes first: there is no way back from the relay. */
  async over(kind: PathKind): Promise<readonly [Contender, Contender]> {
    const { a, b, c, hub } = this.#hosts;
    if (kind === "relay") {
      await this.#bench.net.cut(a, b);
      const endpoint = `${hub.address}:${FORWARDER_PORT}`;
      await this.#wireguards[0].set("peer", this.#keys[1]?.publicKey ?? "", "endpoint", endpoint);
      await this.#wireguards[1].set("peer", this.#keys[0]?.publicKey ?? "", "endpoint", endpoint);
    }
    const [near, far] = this.#agents;
    await untilPinged(a.namespace, far.address, 10_000);
    await untilPinged(c.namespace, innerAddress(2), 10_000);
    await this.#bench.until(`both agents are on the ${kind} path`, async () => {
      const paths = [await near.whyPath(far), await far.whyPath(near)];
      return paths.every(({ peer }) => peer.path.kind === kind);
    });
    const relayed = kind === "relay";
    return [
      {
        name: "burrow",
        from: a.namespace,
        target: far.address,
        processes: [
          { what: "agent a", pid: near.process.pid },
          { what: "agent b", pid: far.process.pid },
          ...(relayed ? [{ what: "relay", pid: this.#relay.process.pid }] : []),
        ],
      },
      {
        name: "wireguard-go",
        from: c.namespace,
        target: innerAddress(2),
        processes: [
          { what: "wireguard-go c", pid: this.#wireguards[0].process.pid },
          { what: "wireguard-go d", pid: this.#wireguards[1].process.pid },
          ...(relayed ? [{ what: "forwarder", pid: this.#forwarder.pid }] : []),
        ],
      },
    ];
  }
}

const innerAddress = (last: number) => `10.99.0.${last}`;

async function startWireGuard(
  host: Host,
  privateKey: string,
  last: number,
  publicKey: string,
  peer: string,
): Promise<WireGuardGo> {
  const other = innerAddress(3 - last);
  const go = await WireGuardGo.start(host.namespace, {
    privateKey,
    port: WIREGUARD_PORT,
    addresses: [`${innerAddress(last)}/32`],
    mtu: WIREGUARD_MTU,
    peer: { publicKey, allowedIps: [`${other}/32`], endpoint: `${peer}:${WIREGUARD_PORT}` },
  });
  await host.namespace.ip(`route add ${other}/32 dev ${go.interfaceName}`);
  return go;
}
