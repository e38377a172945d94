/** What goes wrong, and how it ends: each fault of a plan, done to a world. */
import { outermostAddresses } from "./net/network.ts";
import type { FaultKind } from "./plan.ts";
import type { World } from "./world.ts";

/** Begins a fault; the returned function ends it. */
export function begin(world: World, fault: FaultKind): () => void {
  const { weather } = world.net;
  switch (fault.is) {
    case "direct-cut":
      return cut(
        world,
        outermostAddresses(world.agent(fault.a).host),
        outermostAddresses(world.agent(fault.b).host),
        fault.oneWay,
      );
    case "relay-cut":
      return cut(
        world,
        outermostAddresses(world.agent(fault.agent).host),
        outermostAddresses(world.relay(fault.relay).host),
        fault.oneWay,
      );
    case "relay-killed":
      world.relay(fault.relay).kill();
      return () => world.relay(fault.relay).revive();
    case "relay-deaf":
      world.relay(fault.relay).isDeaf = true;
      return () => {
        world.relay(fault.relay).isDeaf = false;
      };
    case "relay-drained":
      world.relay(fault.relay).drain(true);
      return () => world.relay(fault.relay).drain(false);
    case "coordinator-gone":
      world.coordinator.kill();
      return () => world.coordinator.revive();
    case "router-rebooted":
      for (const router of world.home(fault.home).routers) router.nat.reboot();
      return () => {};
    case "storm": {
      const addresses = world.agentsAt(fault.home).flatMap(({ host }) => outermostAddresses(host));
      for (const address of addresses) weather.storm(address, fault.loss);
      return () => {
        for (const address of addresses) weather.storm(address, 0);
      };
    }
    case "moved":
      world.move(fault.agent, fault.to, fault.awayMs);
      return () => {};
    case "restarted":
      world.agent(fault.agent).restart();
      return () => {};
  }
}

/** Cuts every way from one place to another; what they have of different families cannot meet anyway. */
function cut(
  { net: { weather } }: World,
  from: readonly string[],
  to: readonly string[],
  oneWay: boolean,
): () => void {
  const ways = from.flatMap((a) =>
    to.flatMap(
      (b) =>
        (oneWay
          ? [[a, b]]
          : [
              [a, b],
              [b, a],
            ]) as [string, string][],
    ),
  );
  for (const [a, b] of ways) weather.cut(a, b);
  return () => {
    for (const [a, b] of ways) weather.mend(a, b);
  };
}

/** For people: what was done to whom. */
export function describe(fault: FaultKind): string {
  const { is, ...about } = fault;
  const words = Object.entries(about).map(([name, value]) => {
    return typeof value === "object" ? `${name} ${value.nat?.name ?? "public"}` : `${name} ${value}`;
  });
  return [is, ...words].join(", ");
}
