/** What `burrow netcheck` tells of the NAT before an agent, against NATs whose nature is known. */
import { AgentDaemon, CoordinatorDaemon, type NetcheckView, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import type { RouterKind } from "../nat-kinds.ts";
import type { Router } from "../router.ts";

/** Two relays answer at once, and what does not come back within two seconds does not come back. */
const TOLD_MAX_MS = 5_000;

type Told = Pick<NetcheckView, "natMapping" | "hairpin"> & { readonly order: string | undefined };

const NATS: readonly { name: string; kind: RouterKind; turns: boolean; told: Told }[] = [
  {
    name: "plain",
    kind: "port-restricted",
    turns: false,
    told: { natMapping: "endpoint-independent", order: "preserving", hairpin: false },
  },
  {
    name: "turning",
    kind: "port-restricted",
    turns: true,
    told: { natMapping: "endpoint-independent", order: "preserving", hairpin: true },
  },
  // Its outside is another for each destination: there is none to try whether it is turned around.
  { name: "hard", kind: "hard", turns: false, told: { natMapping: "address-dependent", order: "random" } },
];

export const natCheck: LabCase = {
  name: "nat-check",
  summary: "netcheck tells the mapping, the order of ports and whether the NAT turns packets around",
  async run(bench) {
    const { net } = bench;
    const coordinatorHost = await net.publicHost("coordinator", "203.0.113.10");
    const coordinator = await CoordinatorDaemon.start(bench, coordinatorHost);
    for (const number of [1, 2]) {
      const host = await net.publicHost(`relay-${number}`, `203.0.113.2${number}`);
      await RelayDaemon.start(bench, coordinator, host, `r${number}`);
    }
    for (const [index, { name, kind, turns, told }] of NATS.entries()) {
      const router = await net.router(name, `81.2.69.${index + 1}`, kind);
      if (turns) await turnAround(router);
      const host = await router.host(`${name}-host`);
      const agent = await AgentDaemon.start(bench, coordinator, host, name);
      await tells(bench, agent, told);
    }
  },
};

async function tells(bench: Bench, agent: AgentDaemon, wanted: Told): Promise<void> {
  let last = "";
  const isTold = async () => {
    const { natMapping, natPorts, hairpin } = await agent.netcheck();
    last = `${natMapping}, ${natPorts?.order}, hairpin ${hairpin}`;
    return natMapping === wanted.natMapping && natPorts?.order === wanted.order && hairpin === wanted.hairpin;
  };
  const what = `${wanted.natMapping}, ${wanted.order}, hairpin ${wanted.hairpin}`;
  await bench.until(`${agent.name}: ${what}`, isTold, { timeoutMs: TOLD_MAX_MS }).catch((error: unknown) => {
    bench.step(`it told: ${last}`);
    throw error;
  });
}

/** RFC 4787 §6: what an inside host sends to the outside address comes back in, with that as its source. */
async function turnAround({ namespace, publicAddresses, insideAddress }: Router): Promise<void> {
  const [outside = ""] = publicAddresses;
  const host = insideAddress.replace(/\.1$/, ".2");
  // Where br_netfilter is loaded, the bridge would translate before the router sees it, and send nothing back by a port.
  await namespace.run(["sysctl", "-e", "-qw", "net.bridge.bridge-nf-call-iptables=0"]);
  await namespace.nft(`
    table inet turn {
      chain inbound { type nat hook prerouting priority dstnat - 2; policy accept;
        iifname "lan" ip daddr ${outside} meta l4proto udp dnat ip to ${host}
      }
      chain outbound { type nat hook postrouting priority srcnat - 2; policy accept;
        oifname "lan" ip saddr ${host} meta l4proto udp snat ip to ${outside}
      }
    }`);
}
