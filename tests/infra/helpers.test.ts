/** What the units call, run as it is: draining, healing and finding addresses, on a machine that answers from scripts. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { has, ROOT } from "./files.ts";

const work = mkdtempSync(join(tmpdir(), "burrow-helpers-"));
const bin = join(work, "bin");
const log = join(work, "log");
beforeEach(() => {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(bin, { recursive: true });
  writeFileSync(log, "");
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A command of that name that tells its arguments, and then does what `answer` says. */
function fake(name: string, answer: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>'${log}'\n${answer}\n`);
  chmodSync(join(bin, name), 0o755);
}

function run(helper: string, env: Readonly<Record<string, string>>, ...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", join(ROOT, "infra/lib", helper), ...args], {
    env: { PATH: `${bin}:/usr/bin:/bin`, ...env },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  return { exitCode, output: stdout.toString() + stderr.toString(), log: readFileSync(log, "utf8") };
}

describe("drain", () => {
  const count = join(work, "seconds");
  /** A relay whose status is what `status` prints in the second `$n` after the drain began; no second lasts one. */
  function relay(status: string): void {
    fake("sleep", "");
    fake(
      "curl",
      `case "$*" in
      *v1/drain*) exit 0 ;;
      *v1/status*) n=$(cat '${count}' 2>/dev/null || echo 0); echo $((n + 1)) >'${count}'; ${status} ;;
    esac`,
    );
  }
  /** As `GET /v1/status` has it: answers to Binds go on and are packets too, and drops and the socket have words of their own. */
  const answer = (sessions: string, carried: string) =>
    `printf '{"draining":true,"sessions":%s,"received":%s,"packets":%s,"bytes":9,"binds":{"bound":%s,"challenge":4,"expired":0,"draining":%s,"refused":0},"drops":{"expired":%s},"socket":{"packets":7}}' ${sessions} "$((n * 9))" "$((${carried} + 4 + n + n * 2))" "$n" "$((n * 2))" "$((n * 5))"`;
  const seconds = (text: string) => text.match(/^sleep 1$/gm)?.length ?? 0;

  test("it asks the relay where its health is, on loopback", () => {
    relay(answer("0", "5"));
    const { exitCode, output, log: told } = run("drain", { BURROW_HTTP: "[::]:9000" });
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: "drained; 0 sessions left\n" });
    expect(told).toMatch(/^curl .*--request POST .*http:\/\/127\.0\.0\.1:9000\/v1\/drain$/m);
    expect(seconds(told)).toBe(0);
  });

  test("it waits while agents' packets flow, and ten seconds more; Binds and strangers' packets do not count", () => {
    relay(`t=$n; [ "$t" -lt 20 ] || t=20; ${answer("3", "t")}`);
    const { exitCode, output, log: told } = run("drain", {});
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: "drained; 3 sessions left\n" });
    expect(seconds(told)).toBe(30);
  });

  test("it ends when the last agent has gone, or time is up", () => {
    relay(`s=2; [ "$n" -lt 4 ] || s=0; ${answer('"$s"', "n")}`);
    expect(seconds(run("drain", {}).log)).toBe(4);
    rmSync(count);
    writeFileSync(log, "");
    relay(answer("2", "n"));
    expect(seconds(run("drain", { BURROW_DRAIN_SECONDS: "17" }).log)).toBe(17);
  });

  test("what is dead, or dies meanwhile, does not hold up its stop", () => {
    fake("curl", "exit 7");
    expect(run("drain", {}).exitCode).toBe(0);
    relay(`[ "$n" -lt 2 ] || exit 7; ${answer("2", "n")}`);
    expect(run("drain", {}).exitCode).toBe(0);
  });
});

describe("health", () => {
  const memory = () => join(work, "memory");
  const failures = () =>
    existsSync(join(memory(), "failures")) ? readFileSync(join(memory(), "failures"), "utf8").trim() : "0";
  /** One look at a relay in that state, after so many failures. */
  function look(state: string, answers: boolean, before: number, heal: string, wasHealthy = true) {
    mkdirSync(memory(), { recursive: true });
    rmSync(join(memory(), "was-healthy"), { force: true });
    if (wasHealthy) writeFileSync(join(memory(), "was-healthy"), "");
    writeFileSync(join(memory(), "failures"), `${before}\n`);
    writeFileSync(log, "");
    fake("systemctl", `[ "$1" != is-active ] || echo ${state}`);
    fake("curl", answers ? "exit 0" : "exit 22");
    const { exitCode, log: told } = run("health", { RUNTIME_DIRECTORY: memory(), BURROW_HEAL: heal });
    expect(exitCode).toBe(0);
    return told.split("\n").filter((line) => line.startsWith("systemctl") && !line.includes("is-active"));
  }
  const KILLED = "systemctl kill --signal=KILL burrow-relay.service";

  test("an answer forgets what failed before", () => {
    expect(look("active", true, 19, "poweroff", false)).toEqual([]);
    expect(failures()).toBe("0");
    expect(existsSync(join(memory(), "was-healthy"))).toBe(true);
  });

  test("the fourth failure in a row restarts the relay, and each fourth after it", () => {
    expect(look("active", false, 2, "reboot")).toEqual([]);
    expect(look("active", false, 3, "reboot")).toEqual([KILLED]);
    expect(look("failed", false, 4, "reboot")).toEqual([]);
    expect(look("active", false, 7, "reboot")).toEqual([KILLED]);
  });

  test("the twentieth gives the machine up, as its cloud wants it", () => {
    expect(look("active", false, 18, "poweroff")).toEqual([]);
    expect(look("active", false, 19, "poweroff")).toEqual(["systemctl poweroff"]);
    expect(look("active", false, 19, "reboot")).toEqual(["systemctl reboot"]);
    expect(look("active", false, 19, "restart")).toEqual([KILLED]);
  });

  test("a relay that was never healthy costs no machine", () => {
    expect(look("active", false, 19, "poweroff", false)).toEqual([KILLED]);
    expect(look("active", false, 39, "reboot", false)).toEqual([KILLED]);
  });

  test("one that its operator stopped, or that drains as it stops, is left alone", () => {
    for (const state of ["inactive", "deactivating"]) {
      expect(look(state, false, 19, "poweroff")).toEqual([]);
      expect(failures()).toBe("0");
    }
  });
});

describe.skipIf(!has("awk", "finding addresses"))("find-addresses", () => {
  const file = () => join(work, "addresses.env");
  const PRIVATE = "2: eth0    inet 10.21.0.7/24 scope global eth0";
  const IPV6 = "2: eth0    inet6 2600:1f14::7/128 scope global dynamic";
  const SITE = "2: eth0    inet6 fd00:ec2::7/64 scope global";
  function find(addresses: string, env: Readonly<Record<string, string>>, metadata = "exit 22") {
    fake("ip", addresses);
    fake("curl", `case "$*" in ${metadata === "exit 22" ? "" : metadata} *) exit 22 ;; esac`);
    const { exitCode, output } = run("find-addresses", env, file());
    return { exitCode, output, found: existsSync(file()) ? readFileSync(file(), "utf8") : undefined };
  }
  const shows = (...lines: string[]) => lines.map((line) => `echo '${line}'`).join("\n");
  const AWS = `*api/token*) echo session ;;
    *"token: session"*public-ipv4*) echo 198.51.100.7 ;;`;
  const AWS_IPV6 = `${AWS} *"token: session"*meta-data/ipv6*) echo 2600:1f14::7 ;;`;
  const GCP = `*Metadata-Flavor*external-ip*) echo 198.51.100.8 ;; *Metadata-Flavor*ipv6s*) echo 2600:1f14::7 ;;`;

  test("on the card, of both families, but none that only the site knows", () => {
    const env = { BURROW_ADDRESSES: "interface", BURROW_LISTEN: "0.0.0.0:4500" };
    expect(find(shows("2: eth0    inet 192.0.2.7/24 scope global eth0", SITE, IPV6), env).found).toBe(
      "BURROW_ADVERTISE=192.0.2.7:4500,[2600:1f14::7]:4500\n",
    );
  });

  test("on AWS and Google's cloud the metadata has the public IPv4 address, the card the other", () => {
    for (const [cloud, metadata, ipv4] of [
      ["aws", AWS_IPV6, "198.51.100.7"],
      ["gcp", GCP, "198.51.100.8"],
    ] as const)
      expect(find(shows(PRIVATE, IPV6), { BURROW_ADDRESSES: cloud }, metadata).found).toBe(
        `BURROW_ADVERTISE=${ipv4}:21820,[2600:1f14::7]:21820\n`,
      );
  });

  test("the IPv6 address that the cloud has given is waited for, and none that it has not", () => {
    const late = join(work, "late");
    fake("sleep", `: >'${late}'`);
    const addresses = `${shows(PRIVATE)}\n[ ! -e '${late}' ] || ${shows(IPV6)}`;
    expect(find(addresses, { BURROW_ADDRESSES: "aws" }, AWS_IPV6).found).toContain("[2600:1f14::7]:21820");
    rmSync(late);
    expect(find(addresses, { BURROW_ADDRESSES: "aws" }, AWS).found).toBe(
      "BURROW_ADVERTISE=198.51.100.7:21820\n",
    );
    expect(existsSync(late)).toBe(false);
  });

  test("one that does not come is left out in the end", () => {
    fake("sleep", "");
    expect(find(shows(PRIVATE), { BURROW_ADDRESSES: "gcp" }, GCP).found).toBe(
      "BURROW_ADVERTISE=198.51.100.8:21820\n",
    );
  });

  test("without the metadata service it fails, so that its unit tries again, and leaves nothing old behind", () => {
    writeFileSync(file(), "BURROW_ADVERTISE=192.0.2.99:1\n");
    const { exitCode, found } = find(shows(PRIVATE), { BURROW_ADDRESSES: "aws" });
    expect(exitCode).not.toBe(0);
    expect(found).toBeUndefined();
  });

  test("what is stated, or left to the coordinator, is not looked for; a wrong word is told", () => {
    expect(find(shows(PRIVATE), {}).found).toBeUndefined();
    const stated = { BURROW_ADDRESSES: "interface", BURROW_ADVERTISE: "192.0.2.7:1" };
    expect(find(shows(PRIVATE), stated).found).toBeUndefined();
    expect(find(shows(PRIVATE), { BURROW_ADDRESSES: "azure" })).toMatchObject({
      exitCode: 1,
      output: 'BURROW_ADDRESSES is "azure"; it can be interface, aws or gcp\n',
    });
  });
});
