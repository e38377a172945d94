/** What counts as another network. */
import { expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import { type LocalChange, Whereabouts } from "./whereabouts.ts";

const HOME = { address: "192.168.1.1", local: "192.168.1.2" };
const [WIFI, CABLE, LOOPBACK] = ["192.168.1.2:7", "10.0.0.2:7", "127.0.0.1:7"] as Endpoint[] as [
  Endpoint,
  Endpoint,
  Endpoint,
];

test("addresses and gateways that come and go, from look to look", () => {
  const whereabouts = new Whereabouts({ loopbackCandidates: false, statedEndpoints: [] });
  const steps: readonly [readonly Endpoint[], typeof HOME | undefined, LocalChange, string][] = [
    [[LOOPBACK], undefined, "none", "the first look"],
    [[LOOPBACK, WIFI], undefined, "more", "an address"],
    [[LOOPBACK, WIFI], HOME, "more", "then a way out"],
    [[LOOPBACK, WIFI], HOME, "none", "nothing new"],
    [[WIFI], HOME, "none", "loopback is nobody's"],
    [[WIFI, CABLE], HOME, "more", "a cable"],
    [[WIFI, CABLE], { address: "10.0.0.1", local: "10.0.0.2" }, "gone", "which is the better way out"],
    [[WIFI, CABLE], undefined, "gone", "no way out"],
    [[WIFI], undefined, "gone", "the cable is gone"],
    [[], undefined, "gone", "nothing left"],
  ];
  for (const [local, gateway, change, what] of steps) {
    expect([what, whereabouts.look(local, gateway)]).toEqual([what, change]);
  }
});
