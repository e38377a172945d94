/**
 * The map is wrong by a continent: an agent stands in Europe, the database places its address in America. It has to
 * find the near relay by measuring, soon.
 */

import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { LabCase } from "../case.ts";

const COORDINATOR = "203.0.113.10";
/** Where MaxMind's test database places these. */
const LONDON = "81.2.69.142";
const MILTON_WASHINGTON = "216.160.83.56";
const SAN_DIEGO = "214.78.120.10";
const GEOIP = new URL("../../data/geoip/GeoIP2-City-Test.mmdb", import.meta.url).pathname;

const OCEAN_HALF_MS = 20;
const LAST_MILE_MS = 3;
/** Of starting, the aim being this; a machine that others load as well gets as much again. */
const RIGHT_RELAY_AIM_MS = 5_000;
const RIGHT_RELAY_MAX_MS = 10_000;

export const wrongMap: LabCase = {
  name: "wrong-map",
  summary: "an agent whose address the database puts on the wrong continent ends on the near relay",
  async run(bench) {
    bench.step("an agent in Europe with an American address");
    const { net } = bench;
    const europe = await net.exchange("europe", { delayMs: OCEAN_HALF_MS });
    const america = await net.exchange("america", { delayMs: OCEAN_HALF_MS });
    const coordinatorHost = await net.publicHost("coordinator", COORDINATOR);
    const relayEuHost = await net.publicHost("relay-eu", LONDON, { at: europe, delayMs: 1 });
    const relayUsHost = await net.publicHost("relay-us", MILTON_WASHINGTON, { at: america, delayMs: 1 });
    const site = { at: europe, delayMs: LAST_MILE_MS };
    const host = await net.site("agent", "port-restricted", SAN_DIEGO, site);

    const coordinator = await CoordinatorDaemon.start(bench, coordinatorHost, { geoip: GEOIP });
    await RelayDaemon.start(bench, coordinator, relayEuHost, "eu", { at: "51.5,-0.13" });
    await RelayDaemon.start(bench, coordinator, relayUsHost, "us", { at: "47.25,-122.31" });
    const startedMs = Date.now();
    const agent = await AgentDaemon.start(bench, coordinator, host, "misplaced");
    const { ranking } = JSON.parse(await coordinator.get(`/v1/nearest?ip=${SAN_DIEGO}`)) as {
      ranking: readonly { region: string }[];
    };
    bench.check(ranking[0]?.region === "us", "the map alone says the American relay");
    await bench.until(
      "it is at home on relay eu all the same",
      async () => (await agent.homeRegion()) === "eu",
      {
        everyMs: 100,
        timeoutMs: RIGHT_RELAY_MAX_MS,
      },
    );
    const tookMs = Date.now() - startedMs;
    bench.measure(`on the right relay after (aim ${RIGHT_RELAY_AIM_MS} ms)`, tookMs, "ms");
  },
};
