/**
 * `bun tests/browser/screenshots.ts`: takes the pictures of docs/dashboard/ again, of a mesh with a dozen relays, some
 * of them draining and down, and two dozen agents. Their side channels are real, and their figures invented.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { TestClient } from "../../coordinator/src/testing/client.ts";
import { TestCoordinator } from "../../coordinator/src/testing/coordinator.ts";
import { openChromium, openPage } from "./chromium.ts";

const FOLDER = join(import.meta.dir, "../../docs/dashboard");
const DESK = { width: 1280, height: 760 };
const PHONE = { width: 360, height: 740 };
/** Curves need some loads, one every two seconds. */
const CURVES_MS = 40_000;

const REGIONS = [
  ["eu-central", 50.11, 8.68],
  ["eu-west", 53.35, -6.26],
  ["eu-north", 59.33, 18.07],
  ["us-east", 39.04, -77.49],
  ["us-west", 45.52, -122.68],
  ["sa-east", -23.5, -46.6],
  ["ap-south", 19.07, 72.87],
  ["ap-southeast", 1.35, 103.82],
  ["ap-northeast", 35.68, 139.69],
  ["af-south", -33.92, 18.42],
  ["au-east", -33.87, 151.21],
  ["me-central", 25.2, 55.27],
] as const;
const DRAINING = 2;
const DOWN = 9;

const CITIES = [
  ["berlin", 52.5, 13.4],
  ["paris", 48.85, 2.35],
  ["london", 51.5, -0.1],
  ["madrid", 40.4, -3.7],
  ["new-york", 40.7, -74],
  ["denver", 39.7, -105],
  ["sao-paulo", -23.5, -46.6],
  ["lagos", 6.5, 3.4],
  ["mumbai", 19, 72.8],
  ["tokyo", 35.7, 139.7],
  ["sydney", -33.9, 151.2],
  ["toronto", 43.7, -79.4],
  ["warsaw", 52.2, 21],
  ["nairobi", -1.3, 36.8],
  ["seoul", 37.5, 127],
] as const;

interface Invented {
  readonly client: TestClient;
  readonly id: string;
  readonly home: string;
}

async function startRelays(coordinator: TestCoordinator) {
  const relays: { readonly client: TestClient; readonly id: string; packets: number }[] = [];
  for (const [region, lat, lon] of REGIONS) {
    const { client, id } = await coordinator.relay({ region, at: { lat, lon } });
    relays.push({ client, id, packets: 0 });
  }
  let beats = 0;
  setInterval(() => {
    beats++;
    for (const [i, relay] of relays.entries()) {
      if (i === DOWN) continue;
      relay.packets += Math.round(2_000 + 900 * Math.sin(beats / 9 + i) + 300 * Math.random());
      const { packets } = relay;
      const sessions = 120 + Math.round(30 * Math.sin(beats / 20 + i));
      const drops = { "rate-limited": Math.floor(packets / 4_000) };
      const load = { sessions, sessionsMax: 5_000, flows: 300, packets, bytes: packets * 900, drops };
      relay.client.send({ type: "heartbeat", draining: i === DRAINING, load });
    }
  }, 1_000);
  return relays;
}

async function startAgents(coordinator: TestCoordinator, relays: readonly string[]): Promise<Invented[]> {
  const agents: Invented[] = [];
  for (const [i, [name, lat, lon]] of CITIES.entries()) {
    const { client, id } = await coordinator.agent({ name, from: `192.0.2.${i}` });
    const rtts = REGIONS.map(([, ...at], k) => ({
      relay: relays[k] ?? "",
      rttMs: 3 + 1.3 * Math.hypot(lat - at[0], lon - at[1]),
    })).sort((a, b) => a.rttMs - b.rttMs);
    const [home, standby] = rtts;
    client.send({
      type: "home",
      home: home?.relay,
      standby: standby?.relay,
      rtts: rtts.slice(0, 4),
      reason: `nearest of 4 measured, ${home?.rttMs.toFixed(1)} ms`,
    });
    const nat = i % 4 === 0 ? "address-dependent" : "endpoint-independent";
    client.send({ type: "candidates", candidates: [], nat });
    agents.push({ client, id, home: home?.relay ?? "" });
  }
  for (const [i, agent] of agents.entries()) {
    const count = agents.length;
    const paths = [1, 4, count - 1, count - 4].flatMap((step) => {
      const other = (i + step) % count;
      const peer = agents[other];
      if (peer === undefined) return [];
      // Both sides tell the same.
      const direct = (i + other) % 3 !== 0;
      const way = direct
        ? { kind: "direct", endpoint: `203.0.113.${other}:41641` }
        : { kind: "relay", relay: agent.home };
      const reason = direct ? "direct-found" : "relay-first";
      return {
        peer: peer.id,
        ...way,
        rttMs: 24 + 9 * ((i + other) % 9),
        sinceMs: Date.now(),
        reason,
      };
    });
    agent.client.send({ type: "paths", paths });
  }
  return agents;
}

async function shoot(page: Page, name: string, hash: string, waitMs = 1_200): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.waitForTimeout(waitMs);
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  console.log(`docs/dashboard/${name}.png`);
}

const coordinator = await TestCoordinator.start({
  trustProxy: true,
  geo: (address) => {
    const [label, lat, lon] = CITIES[Number(address.split(".")[3])] ?? [];
    if (label === undefined || lat === undefined || lon === undefined) return undefined;
    return { at: { lat, lon }, precision: "city", label };
  },
});
const relays = await startRelays(coordinator);
const agents = await startAgents(
  coordinator,
  relays.map(({ id }) => id),
);
const browser = await openChromium();
mkdirSync(FOLDER, { recursive: true });
const logIn = async (page: Page) => {
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Operator token").fill(coordinator.operatorToken);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Log out" }).waitFor();
  await page.evaluate("document.activeElement.blur()");
};
const open = async (viewport: { width: number; height: number }, colorScheme: "light" | "dark") => {
  const { page } = await openPage(browser, coordinator.url, { viewport, colorScheme });
  await logIn(page);
  return page;
};
const [light, dark, phone] = await Promise.all([
  open(DESK, "light"),
  open(DESK, "dark"),
  open(PHONE, "light"),
]);
await Bun.sleep(CURVES_MS);
await shoot(light, "map-light", "#/relays");
await shoot(dark, "map-dark", "#/relays");
await shoot(light, "relay", `#/relays/${relays[0]?.id}`);
await shoot(dark, "agent", `#/agents/${agents[7]?.id}`);
await shoot(phone, "phone", "#/relays");
await browser.close();
await coordinator.end();
process.exit(0);
