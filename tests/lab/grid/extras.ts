/** Pairs of the grid that are about more than two kinds of NAT. */
import { type AgentDaemon, RELAY_PORT } from "../burrow.ts";
import type { Host } from "../host.ts";
import type { RouterKind } from "../nat-kinds.ts";
import type { Router } from "../router.ts";
import type { PairClass } from "./expectation.ts";
import type { GridWorld, Plan, Side } from "./world.ts";

export interface Extra {
  readonly name: string;
  readonly class: PairClass;
  readonly plans: readonly [Plan, Plan];
  /** What else must be true of it, looked at when the pair has been measured: what is not. */
  readonly check?: (a: AgentDaemon, b: AgentDaemon) => Promise<readonly string[]>;
}

/** Two hosts behind one router, which is made when the first of them is. */
function sharing(make: (world: GridWorld) => Promise<Router>): (world: GridWorld) => Promise<Router> {
  let router: Promise<Router> | undefined;
  return (world) => {
    router ??= make(world);
    return router;
  };
}

function sameLan(): Extra {
  const home = sharing((world) =>
    world.bench.net.router("lan-nat", world.nextAddress("a"), "port-restricted", { at: world.west }),
  );
  const host = (name: string): Plan => ({ name, host: async (world) => (await home(world)).host(name) });
  return { name: "same-lan", class: "easy", plans: [host("lan-1"), host("lan-2")] };
}

function carrier(name: string) {
  return sharing((world) =>
    world.bench.net.router(name, world.nextAddress("a"), "port-restricted", {
      at: world.west,
      inside: world.bench.net.nextInside("100.64"),
    }),
  );
}

/** Two phones: the carrier numbers them itself, and does not turn packets for its own outside around. */
function sameCgnat(): Extra {
  const isp = carrier("mobile-isp");
  const host = (name: string): Plan => ({ name, host: async (world) => (await isp(world)).host(name) });
  return { name: "same-cgnat", class: "easy", plans: [host("phone-1"), host("phone-2")] };
}

/** Two machines in one home whose router is a customer of a carrier: they meet in the home. */
function sameLanBehindCgnat(): Extra {
  const isp = carrier("home-isp");
  const home = sharing(async (world) => (await isp(world)).router("cgnat-home", "port-restricted"));
  const host = (name: string): Plan => ({ name, host: async (world) => (await home(world)).host(name) });
  return { name: "same-lan-cgnat", class: "easy", plans: [host("home-1"), host("home-2")] };
}

/**
 * Two homes of one carrier. Their routers could reach each other, but nobody outside sees the addresses under which:
 * without a port mapping, which would tell, the relay is the best there is.
 */
function neighboursBehindCgnat(): Extra {
  const isp = carrier("street-isp");
  const host = (name: string): Plan => ({
    name,
    host: async (world) => (await (await isp(world)).router(`${name}-nat`, "port-restricted")).host(name),
  });
  return { name: "same-cgnat-homes", class: "relayed", plans: [host("street-1"), host("street-2")] };
}

async function firewalled6(world: GridWorld, name: string, side: Side, number: number): Promise<Host> {
  const router = await world.bench.net.router(`${name}-fw`, world.nextAddress(side), "firewall", {
    at: world.exchangeOf(side),
    v6: `2a02:d040:0:${number}::/64`,
  });
  const host = await router.host(name, { address: world.nextAddress(side) });
  await host.namespace.ip("-4 addr flush dev lan0");
  return host;
}

function v6Only(): Extra {
  const host = (name: string, side: Side, number: number): Plan => ({
    name,
    host: (world) => firewalled6(world, name, side, number),
    v6: true,
  });
  return { name: "v6-only", class: "easy", plans: [host("six-1", "a", 1), host("six-2", "b", 2)] };
}

function v4WithDualStack(): Extra {
  const host = (name: string, side: Side, v6: { v6?: string }): Plan => ({
    name,
    host: (world) =>
      world.bench.net.site(name, "port-restricted", world.nextAddress(side), {
        at: world.exchangeOf(side),
        ...v6,
      }),
  });
  const dual = host("dual", "b", { v6: "2a02:d040:0:3::/64" });
  return { name: "v4-dual", class: "easy", plans: [host("four", "a", {}), dual] };
}

/** Two hard NATs, of which one gives ports to those inside who ask. */
function hardMapped(): Extra {
  const host = (name: string, side: Side, maps: boolean): Plan => ({
    name,
    host: async (world) => {
      const at = { at: world.exchangeOf(side) };
      const behind = await world.bench.net.site(name, "hard", world.nextAddress(side), at);
      if (maps) await behind.router?.mapPorts();
      return behind;
    },
  });
  return {
    name: "hard-mapped",
    class: "easy",
    plans: [host("mapped", "a", true), host("unmapped", "b", false)],
  };
}

/** A better door is tried every 10 s, and found by the second look at the latest. */
const PORT_OPENS_MS = 22_000;

/** Only one UDP port passes: packets go to that port of the relay, and to its own port again when all pass. */
function onePortOnly(port: 443 | 53): Extra {
  const kind: RouterKind = port === 443 ? "udp-443-only" : "udp-53-only";
  const plan = (name: string, side: Side, of: RouterKind): Plan => ({
    name,
    host: async (world) =>
      (
        await world.bench.net.router(`${name}-nat`, world.nextAddress(side), of, {
          at: world.exchangeOf(side),
        })
      ).host(name),
  });
  return {
    name: kind,
    class: "relayed",
    plans: [plan(`strict-${port}`, "a", kind), plan(`plain-${port}`, "b", "port-restricted")],
    check: async (strict) => {
      const failures: string[] = [];
      const elsewhere = await doorsNot(strict, port);
      if (elsewhere !== "") failures.push(`bound at ${elsewhere}, not at port ${port}`);
      await strict.host.router?.become("port-restricted");
      const deadline = Date.now() + PORT_OPENS_MS;
      while (Date.now() < deadline && (await doorsNot(strict, RELAY_PORT)) !== "") await Bun.sleep(200);
      const left = await doorsNot(strict, RELAY_PORT);
      if (left !== "") failures.push(`still bound at ${left} after ${PORT_OPENS_MS} ms of an open network`);
      return failures;
    },
  };
}

/** Where the agent's home and standby are bound, if not by UDP to this port. */
async function doorsNot(agent: AgentDaemon, port: number): Promise<string> {
  const kept = (await agent.relays()).filter(({ home, standby }) => home || standby);
  if (kept.length === 0) return "no relay";
  return kept
    .filter(({ bound, endpoint = "" }) => !bound || !endpoint.endsWith(`:${port}`))
    .map(({ endpoint = "none" }) => endpoint)
    .join(" and ");
}

export function extras(): Extra[] {
  return [
    sameLan(),
    sameCgnat(),
    sameLanBehindCgnat(),
    neighboursBehindCgnat(),
    v6Only(),
    v4WithDualStack(),
    hardMapped(),
    onePortOnly(443),
    onePortOnly(53),
  ];
}
