/**
 * A firewall drops a relay's UDP while its HTTP and its heartbeats go on: it is down for everybody within seconds, with
 * that reason, and up again when the port is open. When it is the coordinator's own UDP that is dropped, nobody is down.
 */
import { CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import type { Host } from "../host.ts";

/** The aim. */
const DOWN_MAX_MS = 10_000;
const BLIND_FOR_MS = 12_000;

interface RelayState {
  readonly region: string;
  readonly state: string;
  readonly reason: string;
  readonly sinceMs: number;
}

export const shutPort: LabCase = {
  name: "shut-port",
  summary: "a relay whose UDP port is firewalled while its HTTP answers is down within 10 s, and says why",
  async run(bench) {
    const { net } = bench;
    const coordinatorHost = await net.publicHost("coordinator", "203.0.113.10");
    const hosts = {
      one: await net.publicHost("relay-one", "203.0.113.21"),
      two: await net.publicHost("relay-two", "203.0.113.22"),
      three: await net.publicHost("relay-three", "203.0.113.23"),
    };
    const coordinator = await CoordinatorDaemon.start(bench, coordinatorHost);
    for (const [region, host] of Object.entries(hosts)) {
      await RelayDaemon.start(bench, coordinator, host, region);
    }
    const states = async () => JSON.parse(await coordinator.get("/v1/relays")) as RelayState[];
    const one = async () => (await states()).find(({ region }) => region === "one");
    const allUp = async () =>
      (await states()).every(({ state, reason }) => {
        return state === "healthy" && reason.includes("2 of 2 other relays do");
      });
    await bench.until("all are healthy, and reach one another", allUp);

    bench.step("UDP is dropped at relay one, in and out");
    await dropUdp(hosts.one);
    const down = await bench.until("it is down", async () => {
      const seen = await one();
      return seen?.state === "down" ? seen : undefined;
    });
    bench.measure(`down after (aim ${DOWN_MAX_MS} ms)`, down.tookMs, "ms");
    bench.check(down.tookMs <= DOWN_MAX_MS, "within 10 s");
    bench.check(down.answer.reason.includes("its UDP port does not answer"), `why: ${down.answer.reason}`);
    bench.check(Date.now() - down.answer.sinceMs < DOWN_MAX_MS, "since when");
    const http = await hosts.one.namespace.run(["curl", "-sS", "http://127.0.0.1:8090/v1/status"]);
    bench.check(http.stdout.includes("registered"), "its HTTP answers all the while");
    bench.check(
      (await states()).filter(({ state }) => state === "healthy").length === 2,
      "the others are up",
    );

    bench.step("the port is open again");
    await passUdp(hosts.one);
    const up = await bench.until("all are healthy again", allUp);
    bench.measure("up again after", up.tookMs, "ms");

    bench.step("UDP is dropped at the coordinator");
    await dropUdp(coordinatorHost);
    await Bun.sleep(BLIND_FOR_MS);
    await allHealthy(bench, states);
    const told = await states();
    bench.check(
      told.every(
        ({ reason }) => reason.includes("2 of 2 other relays do") && !reason.includes("coordinator"),
      ),
      "only the relays' word counts",
    );
    await dropUdp(hosts.one);
    const blind = await bench.until("and by their word a shut port is found", async () => {
      return (await one())?.state === "down";
    });
    bench.measure("down after, by the relays' word alone", blind.tookMs, "ms");
  },
};

async function allHealthy(bench: Bench, states: () => Promise<RelayState[]>): Promise<void> {
  const all = await states();
  bench.check(
    all.every(({ state }) => state === "healthy"),
    `nobody is down for that: ${all.map(({ region, state }) => `${region} ${state}`).join(", ")}`,
  );
}

/** A firewall on the host itself; loopback stays open, so that the relay thinks well of itself. */
async function dropUdp({ namespace }: Host): Promise<void> {
  await namespace.nft(`
    table inet shut {
      chain input { type filter hook input priority 0; iifname != "lo" meta l4proto udp drop; }
      chain output { type filter hook output priority 0; oifname != "lo" meta l4proto udp drop; }
    }
  `);
}

async function passUdp({ namespace }: Host): Promise<void> {
  await namespace.nft("delete table inet shut\n");
}
