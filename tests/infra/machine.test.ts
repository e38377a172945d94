/**
 * What is deployed, deployed: the executable in a Debian system without Bun, and a machine that boots with the user
 * data of the relay module, installs the package, registers with a coordinator, heals, drains and upgrades.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../infra/build/bundle.ts";
import { debianPackage } from "../../infra/build/debian.ts";
import { TARGETS, type Target } from "../../infra/build/targets.ts";
import packageJson from "../../package.json" with { type: "json" };
import { inNamespace, type Namespace, withNamespaces } from "../../platform/src/testing/namespaces.ts";
import { COORDINATOR, Deployment } from "./deployment.ts";
import { has, ROOT, skipped } from "./files.ts";
import { agentLives, coordinatorLives, unitsAreConfined } from "./lives.ts";
import { Machine, makeRoot, removeRoot, runInRoot, until } from "./machine.ts";
import { Terraform } from "./terraform.ts";

const WHAT = "the executable and cloud-init in a Debian system";
const mayRun =
  (process.getuid?.() === 0 || skipped(WHAT, "not root")) &&
  ["mmdebstrap", "systemd-nspawn", "dpkg-deb", "ip", "nsenter", "curl", "python3", "shellcheck"].every(
    (command) => has(command, WHAT),
  );
const hasTerraform = Bun.which("terraform") !== null;
if (mayRun && !hasTerraform)
  skipped("cloud-init executed", "terraform, which renders it, is not here", false);

const COMMIT = "0123456789";
const RELAY = "192.0.2.10";
/** On which agents reach a relay by UDP. */
const PORTS = [21820, 443, 53];
const RELAY_V6 = "2001:db8::10";
/** Makes of a relay's machine one that has only the package, as if another image had brought it. */
const NEW_MACHINE = `rm -r /etc/burrow /var/lib/burrow /var/lib/burrow-first-boot /var/lib/cloud /usr/local/sbin/burrow-*
find /etc/systemd/system -name 'burrow-*' -delete`;
const target = TARGETS.find(({ arch }) => arch === process.arch);

describe.skipIf(!mayRun || target === undefined)("on Debian", () => {
  const own = target as Target;
  const work = mkdtempSync(join(tmpdir(), "burrow-machine-"));
  const root = join(work, "root");
  const executable = join(work, "burrow");

  beforeAll(async () => {
    const system = makeRoot(root);
    await bundle({ target: own, outfile: executable, commit: COMMIT });
    await system;
  }, 480_000);
  afterAll(() => removeRoot(work), 120_000);

  const burrow = (...args: string[]) =>
    runInRoot(root, [`${executable}:/usr/local/bin/burrow`], ["burrow", ...args]);

  test("there is no Bun and no node_modules, and the native library is in the executable", () => {
    expect(
      runInRoot(root, [], ["sh", "-c", "command -v bun node || find / -xdev -name node_modules"]).stdout,
    ).toBe("");
    const { stdout, stderr } = burrow("--version");
    expect(stderr).toBe("");
    expect(stdout).toBe(`${packageJson.version} (${COMMIT}, linux-${own.arch}, native cryptography)\n`);
  });

  test("burrow demo plays to its end", () => {
    const { stdout, stderr } = burrow("demo", "--json");
    const report = JSON.parse(stdout) as { steps: { step: string; happened: boolean; measured: string }[] };
    console.log(report.steps.map(({ step, measured }) => `${step}: ${measured}`).join("; "));
    // Whether it was fast enough is the demo's own judgement, on a machine that has time for it.
    expect(report.steps.filter(({ happened }) => !happened)).toEqual([]);
    expect(report.steps).toHaveLength(6);
    expect(stderr).toBe("");
  }, 60_000);

  test("the other architecture's executable is that, and has its native library inside", async () => {
    const other = TARGETS.find(({ arch }) => arch !== own.arch) as Target;
    const outfile = join(work, "other");
    await bundle({ target: other, outfile, commit: COMMIT });
    const bytes = readFileSync(outfile);
    // e_machine of the ELF header: 62 is x86-64, 183 is AArch64.
    expect(bytes.readUInt16LE(18)).toBe(other.arch === "arm64" ? 183 : 62);
    const library = readFileSync(
      join(ROOT, `node_modules/sodium-native/prebuilds/linux-${other.arch}/sodium-native.node`),
    );
    expect(bytes.includes(library)).toBe(true);
    rmSync(outfile);
  }, 120_000);

  test("dpkg takes the package, and the service manager its units", () => {
    writeFileSync(
      join(root, "burrow.deb"),
      debianPackage(own, packageJson.version, readFileSync(executable)),
    );
    const script =
      "dpkg --install /burrow.deb && dpkg --verify burrow && id burrow && systemd-analyze verify --man=no /usr/lib/systemd/system/burrow-*";
    const { exitCode, stdout, stderr } = runInRoot(root, [], ["sh", "-c", script]);
    expect(stderr.replace(/^(?:.*debconf.*|Creating (?:group|user) .*)\n/gm, "")).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("(burrow)");
    expect(
      runInRoot(root, [], ["sh", "-c", "dpkg --purge burrow && rm /burrow.deb && test ! -e /usr/bin/burrow"])
        .exitCode,
    ).toBe(0);
  }, 60_000);

  test.skipIf(!hasTerraform)(
    "what else the modules render fits cloud-init's schema, and its scripts run",
    async () => {
      const terraform = new Terraform(undefined);
      try {
        const file = { url: "https://example.net/file", sha256: "0".repeat(64) };
        const release = { arm64: file, amd64: file };
        const rendered = [
          await terraform.userData("coordinator", {
            release,
            domain: "burrow.example.net",
            geoip: file,
            state_device: "/dev/disk/by-id/nvme-state",
            ssh_authorized_keys: ["ssh-ed25519 AAAA operator"],
          }),
          await terraform.userData("coordinator", { release, forget_days: null }),
          await terraform.userData("relay", {
            release,
            coordinator_url: "https://burrow.example.net",
            region: "here",
            token_command: `access=1\nprintf 'burrow_%s\\n' "$access"`,
          }),
        ];
        for (const userData of rendered) checkUserData(root, userData);
        const fetched = runInRoot(
          root,
          [],
          [
            "sh",
            "-c",
            "mkdir -p /etc/burrow && sh /script-burrow-fetch-token && cat /etc/burrow/relay.token",
          ],
        );
        expect(fetched).toEqual({ exitCode: 0, stdout: "burrow_1\n", stderr: "" });
      } finally {
        terraform.remove();
      }
    },
    120_000,
  );

  test.skipIf(!hasTerraform)(
    "a machine boots with the relay module's user data and serves",
    async () => {
      await withNamespaces(["coordinator", "relay"], async ([outside, inside]) => {
        connect(outside, inside);
        const deployment = new Deployment(work, executable, outside);
        let machine: Machine | undefined;
        try {
          await deployment.start();
          const userData = await deployment.userData(own);
          machine = new Machine(root, inside, userData);
          await relayLives(machine, deployment);
          await relayIsConfined(machine);
          relayListensEverywhere(machine);
          await relayHeals(machine);
          await agentLives(machine, deployment);
          await relayUpgrades(machine, deployment);
          await relayDrains(machine, deployment);
          await machine.powerOff();
          expect(runInRoot(root, [], ["sh", "-c", NEW_MACHINE]).stderr).toBe("");
          machine = new Machine(root, inside, await deployment.coordinatorUserData(own));
          await coordinatorLives(machine);
          unitsAreConfined(machine);
        } catch (error) {
          if (machine?.up === true) {
            console.error(
              machine.run(
                "cloud-init status --long; cat /var/log/cloud-init-output.log; journalctl --no-pager -n 60",
                true,
              ),
            );
          }
          throw error;
        } finally {
          await machine?.powerOff();
          await deployment.stop();
        }
      });
    },
    300_000,
  );
});

/** Against cloud-init's own schema; scripts by the shell that will run them. They stay in the root as /script-NAME. */
function checkUserData(root: string, userData: string): void {
  writeFileSync(join(root, "user-data"), userData);
  const schema = runInRoot(root, [], ["cloud-init", "schema", "--config-file", "/user-data"]);
  expect(schema.stdout + schema.stderr).toContain("Valid");
  const { write_files: files } = Bun.YAML.parse(userData) as {
    write_files: { path: string; content: string }[];
  };
  for (const { path, content } of files.filter((file) => file.content.startsWith("#!/bin/sh"))) {
    const name = `script-${path.split("/").at(-1)}`;
    writeFileSync(join(root, name), content);
    expect(runInRoot(root, [], ["sh", "-n", `/${name}`])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    const linted = Bun.spawnSync(["shellcheck", "--severity=warning", join(root, name)]);
    expect(linted.stdout.toString()).toBe("");
  }
}

/** A cable between both, with addresses of both families. */
function connect(outside: Namespace, inside: Namespace): void {
  const link = (namespace: Namespace, ...args: string[]) => inNamespace(namespace, "ip", ...args);
  link(outside, "link", "add", "wan0", "type", "veth", "peer", "name", "wan0", "netns", inside);
  for (const [namespace, ipv4, ipv6] of [
    [outside, COORDINATOR, "2001:db8::1"],
    [inside, RELAY, RELAY_V6],
  ] as const) {
    link(namespace, "address", "add", `${ipv4}/24`, "dev", "wan0");
    link(namespace, "address", "add", `${ipv6}/64`, "dev", "wan0", "nodad");
    link(namespace, "link", "set", "wan0", "up");
  }
}

const healthy = (machine: Machine) =>
  (machine.get("http://127.0.0.1:8090/healthz") as { ok: boolean }).ok || undefined;

async function relayLives(machine: Machine, deployment: Deployment): Promise<void> {
  const started = performance.now();
  await until("the relay's registration", 150_000, () => deployment.relays()[0]);
  await until(
    "cloud-init's end",
    60_000,
    () => /status: done/.exec(machine.run("cloud-init status", true))?.[0],
  );
  await until("/healthz", 20_000, () => healthy(machine));
  await until(
    "/readyz",
    20_000,
    () => (machine.get("http://127.0.0.1:8090/readyz") as { ready: boolean }).ready || undefined,
  );
  const [relay] = deployment.relays();
  console.log(`registered and healthy ${((performance.now() - started) / 1000).toFixed(1)} s after power-on`);
  expect(relay).toMatchObject({ region: "falkenstein", state: "healthy", at: { lat: 50.48, lon: 12.34 } });
  const doors = PORTS.flatMap((port) => [`${RELAY}:${port}`, `[${RELAY_V6}]:${port}`]);
  expect(relay?.endpoints.toSorted()).toEqual(doors.toSorted());
  expect(machine.run("cloud-init schema --system")).toContain("Valid");
  await until("the end of the first boot", 20_000, () =>
    machine.run("ls /var/lib/burrow-first-boot/done /run/told-ready"),
  );
  // The package that was cut off was not installed, and what failed was tried again.
  const journal = machine.run("journalctl --no-pager --unit burrow-first-boot");
  expect(journal).toMatch(/computed checksum did NOT match|FAILED/);
  expect(journal).toContain("Scheduled restart job");
  machine.run("systemctl restart burrow-first-boot");
  expect(machine.run("journalctl --no-pager --unit burrow-first-boot | tail -n 1")).toContain("skipped");
}

async function relayIsConfined(machine: Machine): Promise<void> {
  expect(machine.run("stat -c '%a %U' /etc/burrow/relay.token")).toBe("600 root");
  const pid = machine.run("systemctl show --property=MainPID --value burrow-relay");
  const status = machine.run(`cat /proc/${pid}/status`);
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  // CAP_NET_BIND_SERVICE is bit 10, and all that it may ever have.
  for (const set of ["CapPrm", "CapEff", "CapBnd"])
    expect(status).toMatch(new RegExp(`^${set}:\\s+0000000000000400$`, "m"));
  expect(status).not.toMatch(/^Uid:\s+0\s/m);
  // As asked for: a container may have less than a machine has to give.
  expect(machine.run("systemctl show --property=LimitNOFILE --value burrow-relay")).toBe("1048576");
  expect(machine.run("systemctl show --property=LimitNICE --value burrow-relay")).toBe("30");
}

/** Also where the system's own DNS stub listens at first; its questions find their way without that. */
function relayListensEverywhere(machine: Machine): void {
  const sockets = machine.run("ss --udp --listening --processes --numeric --no-header");
  for (const port of PORTS) expect(sockets).toMatch(new RegExp(`:${port}\\s.*"burrow`));
  expect(sockets).not.toContain("127.0.0.53");
  expect(machine.run("readlink -f /etc/resolv.conf")).not.toContain("stub");
}

async function relayHeals(machine: Machine): Promise<void> {
  // What crashes is started again by the service manager; what hangs, by the health timer.
  machine.run("systemctl kill --signal=KILL burrow-relay");
  await until("the relay after a crash", 30_000, () => healthy(machine));
  expect(machine.run("systemctl is-active burrow-health.timer")).toBe("active");
  machine.run("systemctl start burrow-health && test -e /run/burrow-health/was-healthy");
  const before = machine.run("systemctl show --property=MainPID --value burrow-relay");
  machine.run("systemctl kill --signal=STOP burrow-relay && echo 3 > /run/burrow-health/failures");
  machine.run("systemctl start burrow-health");
  await until("the relay after a hang", 60_000, () => healthy(machine));
  expect(machine.run("systemctl show --property=MainPID --value burrow-relay")).not.toBe(before);
}

async function relayUpgrades(machine: Machine, deployment: Deployment): Promise<void> {
  const [before] = deployment.relays();
  const pid = machine.run("systemctl show --property=MainPID --value burrow-relay");
  machine.run(
    "curl -fsS -o /tmp/burrow.deb http://192.0.2.1:8000/burrow.deb && dpkg --install /tmp/burrow.deb",
  );
  await until("the relay after an upgrade", 30_000, () => healthy(machine));
  expect(machine.run("systemctl show --property=MainPID --value burrow-relay")).not.toBe(pid);
  await until(
    "the same relay, healthy",
    20_000,
    () => deployment.relays()[0]?.state === "healthy" || undefined,
  );
  expect(deployment.relays().map(({ id }) => id)).toEqual([before?.id ?? ""]);
}

async function relayDrains(machine: Machine, deployment: Deployment): Promise<void> {
  const started = performance.now();
  machine.run("systemctl stop burrow-relay");
  const journal = machine.run("journalctl --no-pager --unit burrow-relay");
  expect(journal).toContain("draining: agents are told to bind elsewhere");
  expect(journal).toMatch(/drained; \d+ sessions left/);
  console.log(`drained and stopped in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  expect(machine.run("systemctl show --property=Result --value burrow-relay")).toBe("success");
  await until(
    "the coordinator to miss it",
    20_000,
    () => deployment.relays()[0]?.state === "down" || undefined,
  );
  deployment.forget();
  expect(deployment.relays()).toEqual([]);
}
