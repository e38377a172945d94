/**
 * Two hard NATs leave only the relay, unless a router gives ports: by the lab's own PCP and NAT-PMP, by Debian's
 * miniupnpd as PCP and as UPnP. Each is seen to make the pair direct, to be asked anew on another network, and to hold
 * nothing any more when the agent has gone.
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import type { Host } from "../host.ts";
import type { PortMapperKind, Router } from "../router.ts";

const ROUTERS: readonly { readonly by: PortMapperKind; readonly protocol: string }[] = [
  { by: "pcp", protocol: "pcp" },
  { by: "nat-pmp", protocol: "nat-pmp" },
  { by: "miniupnpd", protocol: "pcp" },
  { by: "miniupnpd-upnp", protocol: "upnp" },
];
/** Discovery by UPnP begins after the others' head start, and a device may answer a search when it likes for a second. */
const MAPPED_MAX_MS = 4_000;
const DIRECT_MAX_MS = 5_000;
const NOTICED_MAX_MS = 2_000;

export const portMapping: LabCase = {
  name: "port-mapping",
  summary: "routers that give ports make hard pairs direct, and hold none when the agent has gone",
  async run(bench) {
    bench.step("a relay, and an agent behind a hard NAT that maps nothing");
    const { net } = bench;
    const coordinatorHost = await net.publicHost("coordinator", "203.0.113.10");
    const coordinator = await CoordinatorDaemon.start(bench, coordinatorHost);
    for (const number of [1, 2]) {
      const host = await net.publicHost(`relay-${number}`, `203.0.113.2${number}`);
      await RelayDaemon.start(bench, coordinator, host, `r${number}`);
    }
    const farHost = await net.site("far", "hard", "81.2.69.100");
    const far = await AgentDaemon.start(bench, coordinator, farHost, "far");
    for (const [index, { by, protocol }] of ROUTERS.entries()) {
      bench.step(`a router with ${by}`);
      const address = `81.2.69.${index + 1}`;
      const router = await net.router(by, address, "hard");
      await router.mapPorts(by);
      const host = await router.host(`${by}-host`);
      const agent = await AgentDaemon.start(bench, coordinator, host, by);
      const mapped = async () => {
        const { portMapping: mapping } = await agent.netcheck();
        return mapping.state === "mapped" && mapping;
      };
      const { answer } = await bench.until("it has a port", mapped, { timeoutMs: MAPPED_MAX_MS });
      bench.check(answer.protocol === protocol, `by ${protocol} (${answer.protocol})`);
      bench.check(answer.outside?.startsWith(`${address}:`) === true, `of the router's (${answer.outside})`);
      const { length } = await router.mappedPorts();
      bench.check(length === 1, `the router holds one (${length})`);
      await meets(bench, far, agent);
      if (by === "pcp") await moves(bench, agent, router, host);
      else await leaves(bench, agent, router);
    }
  },
};

async function meets(bench: Bench, far: AgentDaemon, agent: AgentDaemon): Promise<void> {
  const ping = ["ping", "-n", "-i", "0.2", "-c", "10", agent.address];
  const pinging = far.host.namespace.run(ping, { timeoutMs: 10_000 });
  const isDirect = async () => {
    const paths = await Promise.all([far.whyPath(agent), agent.whyPath(far)]);
    return paths.every(({ peer }) => peer.path.kind === "direct");
  };
  const { tookMs } = await bench.until("the pair is direct", isDirect, {
    timeoutMs: DIRECT_MAX_MS,
    everyMs: 20,
  });
  bench.measure(`${agent.name}: direct after`, tookMs, "ms");
  await pinging;
  const { attempts } = await far.whyPath(agent);
  const origin = attempts.find(({ inUse }) => inUse)?.origin;
  bench.check(origin === "mapped", `by the mapped port (${origin})`);
}

async function leaves(bench: Bench, agent: AgentDaemon, router: Router): Promise<void> {
  await agent.process.stop(5_000);
  const left = await router.mappedPorts();
  bench.check(left.length === 0, `the agent has gone, and so has its port (${left.length} left)`);
}

/** Its host gets a second network with another router, which is the better way out: as Wi-Fi and a cable. */
async function moves(bench: Bench, agent: AgentDaemon, router: Router, host: Host): Promise<void> {
  bench.step("a cable, to another router");
  const other = await bench.net.router("cable", "81.2.69.50", "hard");
  await other.mapPorts("nat-pmp");
  const inside = other.insideAddress.replace(/\.1$/, ".200");
  await bench.lab.wire(other.namespace, "cable", host.namespace, "lan1");
  await other.namespace.ip("link set dev cable master lan");
  await host.namespace.ip(`addr add ${inside}/24 dev lan1`);
  const startedMs = performance.now();
  await host.namespace.ip(`route replace default via ${other.insideAddress} dev lan1`);
  const isMapped = async () => {
    const { portMapping: mapping } = await agent.netcheck();
    return mapping.state === "mapped" && mapping.gateway === other.insideAddress && mapping;
  };
  const { answer } = await bench.until("the new router gives a port", isMapped, {
    timeoutMs: NOTICED_MAX_MS,
    everyMs: 20,
  });
  bench.measure("port from the new router after", performance.now() - startedMs, "ms");
  bench.check(answer.outside?.startsWith("81.2.69.50:") === true, `of its own (${answer.outside})`);
  const atOld = await router.mappedPorts();
  bench.check(atOld.length === 0, `the old router was told (${atOld.length} left)`);
  await leaves(bench, agent, other);
}
