/**
 * Dashboard and alert rules stand on names: each must be one that a running coordinator or relay exports, with the
 * labels it is asked for. Prometheus' own tool judges the metrics' text, the rules, and when each alert fires.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestCoordinator } from "../../coordinator/src/testing/coordinator.ts";
import { type RunningRelay, startRelay } from "../../relay/src/main.ts";
import { has, ROOT } from "./files.ts";

const FOLDER = join(ROOT, "infra/monitoring");
const hasPromtool = has("promtool", "metrics and alert rules by Prometheus' own tool");

let coordinator: TestCoordinator;
let relay: RunningRelay;
let scratch: string;
/** What each process answers at /metrics. */
const texts = new Map<string, string>();

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "burrow-monitoring-"));
  coordinator = await TestCoordinator.start();
  relay = await startRelay({
    coordinatorUrl: coordinator.url,
    token: await coordinator.token("relay"),
    region: "here",
    listen: { address: "127.0.0.1", port: 0 },
    http: { address: "127.0.0.1", port: 0 },
    advertise: [],
    stateDir: join(scratch, "relay"),
  });
  await speak();
  texts.set("coordinator", await (await fetch(`${coordinator.url}/metrics`)).text());
  texts.set("relay", await (await fetch(`${relay.httpUrl}/metrics`)).text());
});
afterAll(async () => {
  await relay.stop();
  await coordinator.end();
  await rm(scratch, { recursive: true, force: true });
});

/** So that what has labels has some: two agents, a home that moves, and what is refused. */
async function speak(): Promise<void> {
  while ((await coordinator.operator.relays())[0]?.state !== "healthy") await Bun.sleep(20);
  const [first] = await coordinator.operator.relays();
  const alice = await coordinator.agent({ name: "alice" });
  const bob = await coordinator.agent({ name: "bob" });
  for (const home of [first?.id, undefined]) {
    alice.client.send({ type: "home", home, rtts: [], reason: "a test" });
  }
  alice.client.send({ type: "nonsense" });
  alice.client.send({ type: "introduce", peer: bob.id });
  alice.client.send({ type: "ping" });
  await alice.client.next("pong");
  const stranger = coordinator.client();
  await stranger.hello({ role: "agent", acceptsOutside: false, token: "wrong" });
  await stranger.closed;
  await coordinator.operator.drainRelay(first?.id ?? "");
  await failToStore();
}

/** A stranger comes while the database lacks a table. */
async function failToStore(): Promise<void> {
  const database = new Database(join(coordinator.stateDir, "coordinator.db"));
  database.run("ALTER TABLE agents RENAME TO agents_torn");
  const stranger = coordinator.client();
  await stranger.hello({ role: "agent", acceptsOutside: false, token: "any" });
  await stranger.closed;
  database.run("ALTER TABLE agents_torn RENAME TO agents");
  database.close();
}

/** Every sample's name, with the names of its labels. */
function samplesOf(text: string): Map<string, Set<string>> {
  const samples = new Map<string, Set<string>>();
  for (const [, metric = ""] of text.matchAll(/^# TYPE (\w+) \w+$/gm)) samples.set(metric, new Set());
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = samples.get(name) ?? new Set();
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known.add(label);
    samples.set(name, known);
  }
  return samples;
}

interface Expression {
  readonly where: string;
  readonly text: string;
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
}

async function dashboard(): Promise<Dashboard> {
  return (await Bun.file(join(FOLDER, "dashboard.json")).json()) as Dashboard;
}

async function expressions(): Promise<Expression[]> {
  const { panels, templating } = await dashboard();
  const rules = Bun.YAML.parse(await Bun.file(join(FOLDER, "alerts.yml")).text()) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[];
    }[];
  };
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: `dashboard, ${title}`, text: expr })),
    ),
    ...templating.list.flatMap(({ definition }) =>
      definition === undefined ? [] : [{ where: "dashboard, variables", text: definition }],
    ),
    ...rules.groups.flatMap((group) =>
      group.rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, text: expr })),
    ),
  ];
}

/** Given by Prometheus to every sample. */
const SCRAPED = new Set(["job", "instance"]);

test("every name and label that is asked for is exported by a running process", async () => {
  const samples = new Map([...texts.values()].flatMap((text) => [...samplesOf(text)]));
  const problems: string[] = [];
  const asked = new Set<string>();
  for (const { where, text } of await expressions()) {
    const names = [...text.matchAll(/\bburrow_\w+/g)].map(([name]) => name);
    for (const name of names) {
      asked.add(name);
      if (!samples.has(name)) problems.push(`${where}: nothing exports ${name}`);
    }
    const matched = [...text.matchAll(/(\w+)(?:=~|=|!=|!~)"/g)].map(([, label = ""]) => label);
    const grouped = [...text.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
    for (const label of [...matched, ...grouped]) {
      const isKnown = SCRAPED.has(label) || names.some((name) => samples.get(name)?.has(label));
      if (!isKnown) problems.push(`${where}: none of ${names.join(", ")} has a label ${label}`);
    }
  }
  expect(problems).toEqual([]);
  expect(asked.size).toBeGreaterThan(25);
});

test("legends name labels that their expressions keep", async () => {
  for (const { title, targets = [] } of (await dashboard()).panels) {
    for (const { expr, legendFormat } of targets) {
      const kept = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/) ?? [];
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        expect([title, kept]).toEqual([title, expect.arrayContaining([label])]);
      }
    }
  }
});

test("the guide tells of every metric, and of no other", async () => {
  const guide = await Bun.file(join(ROOT, "docs/monitoring.md")).text();
  const told = [...guide.matchAll(/^\| `(burrow_\w+)` /gm)].map(([, name = ""]) => name);
  const exported = [...texts.values()].flatMap((text) =>
    [...text.matchAll(/^# TYPE (burrow_\w+) /gm)].map(([, name = ""]) => name),
  );
  expect(told.toSorted()).toEqual(exported.toSorted());
});

function promtool(args: readonly string[], stdin = ""): { readonly ok: boolean; readonly output: string } {
  const run = Bun.spawnSync(["promtool", ...args], { stdin: Buffer.from(stdin), cwd: FOLDER });
  return { ok: run.exitCode === 0, output: run.stdout.toString() + run.stderr.toString() };
}

test.skipIf(!hasPromtool)("promtool finds nothing wrong with the metrics, and would find it", () => {
  for (const text of texts.values()) {
    expect(promtool(["check", "metrics"], text)).toEqual({ ok: true, output: "" });
    expect(promtool(["check", "metrics"], `${text}broken{ 1\n`).ok).toBe(false);
  }
});

test.skipIf(!hasPromtool)(
  "promtool accepts the configuration, the rules and the dashboard's expressions",
  async () => {
    expect(promtool(["check", "config", "prometheus.yml"]).output).toContain("SUCCESS");
    expect(promtool(["check", "rules", "--lint-fatal", "alerts.yml"])).toMatchObject({ ok: true });
    const { panels } = await dashboard();
    const rules = panels
      .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "1m")))
      .map((expr, n) => ({ record: `panel:${n}`, expr }));
    expect(rules.length).toBeGreaterThan(25);
    const file = join(scratch, "panels.yml");
    await writeFile(file, JSON.stringify({ groups: [{ name: "panels", rules }] }));
    const checked = promtool(["check", "rules", file]);
    expect([checked.ok, checked.output]).toEqual([true, expect.stringContaining("SUCCESS")]);
  },
);

test.skipIf(!hasPromtool)(
  "each alert fires when it should, and a rule that is changed is noticed",
  async () => {
    const tested = promtool(["test", "rules", "alerts.test.yml"]);
    expect([tested.ok, tested.output]).toEqual([true, expect.stringContaining("SUCCESS")]);
    const alerts = await Bun.file(join(FOLDER, "alerts.yml")).text();
    const tests = await Bun.file(join(FOLDER, "alerts.test.yml")).text();
    for (const [, alert = ""] of alerts.matchAll(/- alert: (\w+)/g)) {
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\n\\s+exp_alerts:\n\\s+- exp_labels`));
      const [before = "", after = ""] = alerts.split(`- alert: ${alert}\n`);
      const never = after.replace(/expr: (?:\|\n)?/, (found) => `${found}        vector(0) > 1 and on () `);
      await writeFile(join(scratch, "alerts.yml"), `${before}- alert: ${alert}\n${never}`);
      await writeFile(join(scratch, "alerts.test.yml"), tests);
      const run = Bun.spawnSync(["promtool", "test", "rules", "alerts.test.yml"], { cwd: scratch });
      expect([alert, run.exitCode]).toEqual([alert, 1]);
    }
  },
);
