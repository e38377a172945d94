/** Pairs of the grid that are about more than two kinds of NAT. */
import type { Host } from "../host.ts";
import type { Router } from "../router.ts";
import type { PairClass } from "./expectation.ts";
import type { GridWorld, Plan, Side } from "./world.ts";

export interface Extra {
  readonly name: string;
  readonly class: PairClass;
  readonly plans: readonly [Plan, Plan];
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

export function extras(): Extra[] {
  return [
    sameLan(),
    sameCgnat(),
    sameLanBehindCgnat(),
    neighboursBehindCgnat(),
    v6Only(),
    v4WithDualStack(),
    hardMapped(),
  ];
}
