/** What machines tell and ask their cloud, run as rendered, with a cloud that answers from a script. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { has } from "./files.ts";
import { Terraform } from "./terraform.ts";

const mayRun = ["curl", "python3"].every((command) => has(command, "machines' words with their cloud"));

describe.skipIf(!mayRun || !has("terraform", "machines' words with their cloud", false))(
  "on a machine",
  () => {
    const work = mkdtempSync(join(tmpdir(), "burrow-scripts-"));
    const terraform = new Terraform(undefined);
    afterAll(() => {
      terraform.remove();
      rmSync(work, { recursive: true, force: true });
    });

    const template = (path: string, values: string) => `templatefile("../modules/${path}", ${values})`;

    /** A command of that name that appends its arguments to the log, and then does what `answer` says. */
    function fake(name: string, answer: string): void {
      const path = join(work, name);
      writeFileSync(path, `#!/bin/sh\necho "${name} $*" >>'${join(work, "log")}'\n${answer}\n`);
      chmodSync(path, 0o755);
    }

    function run(script: string) {
      writeFileSync(join(work, "log"), "");
      const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-c", script], {
        env: { PATH: `${work}:/usr/bin:/bin` },
        stdout: "pipe",
        stderr: "pipe",
        timeout: 10_000,
      });
      const log = readFileSync(join(work, "log"), "utf8");
      return { exitCode, stdout: stdout.toString(), stderr: stderr.toString(), log };
    }

    describe("in an AWS group", () => {
      let script = "";
      beforeAll(async () => {
        const command = template(
          "aws-relay/complete-launch.sh.tftpl",
          '{ aws_region = "eu-central-1", group = "relays", hook = "relay-ready" }',
        );
        const whole = template(
          "relay/tell-ready.sh.tftpl",
          `{ health_port = 8090, ready_command = ${command} }`,
        );
        script = String(await terraform.evaluate(whole));
      }, 30_000);
      /** Not ready when first asked; then the metadata service. */
      const machine = `case "$*" in
      *readyz*) [ -e '${join(work, "asked")}' ] || { : >'${join(work, "asked")}'; exit 22; } ;;
      *api/token*) echo session ;;
      *"token: session"*instance-id*) echo i-0123 ;;
      *) exit 22 ;;
    esac`;

      test("it completes its launch when its relay is ready, and not before", () => {
        fake("curl", machine);
        fake("aws", "exit 0");
        const { exitCode, stderr, log } = run(script);
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
        expect(log.match(/\/readyz/g)).toHaveLength(2);
        expect(log.trim().split("\n").at(-1)).toBe(
          "aws autoscaling complete-lifecycle-action --region eu-central-1 --auto-scaling-group-name relays --lifecycle-hook-name relay-ready --instance-id i-0123 --lifecycle-action-result CONTINUE",
        );
      });

      test("a group that does not wait for it is no error; any other answer is, and is told", () => {
        fake("curl", machine);
        fake(
          "aws",
          "echo 'ValidationError: No active Lifecycle Action found with instance ID i-0123' >&2; exit 254",
        );
        expect(run(script).exitCode).toBe(0);
        fake("aws", "echo 'AccessDenied: not authorized' >&2; exit 254");
        const { exitCode, stderr } = run(script);
        expect(exitCode).not.toBe(0);
        expect(stderr).toBe("AccessDenied: not authorized\n");
      });

      test("without its metadata it does not say that it is ready", () => {
        fake("curl", 'case "$*" in *readyz*) ;; *) exit 28 ;; esac');
        fake("aws", "exit 0");
        const { exitCode, log } = run(script);
        expect(exitCode).not.toBe(0);
        expect(log).not.toContain("aws ");
      });
    });

    test("on Google's cloud the token is asked for with the machine's own access, which no argument shows", async () => {
      const script = await terraform.evaluate(
        template("gcp-relay/token-command.sh.tftpl", '{ secret = "projects/p/secrets/s" }'),
      );
      const payload = JSON.stringify({ payload: { data: btoa("burrow_from-the-secret") } });
      fake(
        "curl",
        `case "$*" in
        *Metadata-Flavor*token*) echo '{"access_token": "ya29.secret"}' ;;
        *projects/p/secrets/s/versions/latest:access*) grep -q 'Bearer ya29.secret' && echo '${payload}' ;;
        *) exit 22 ;;
      esac`,
      );
      const { exitCode, stdout, stderr, log } = run(String(script));
      expect({ exitCode, stdout, stderr }).toEqual({
        exitCode: 0,
        stdout: "burrow_from-the-secret\n",
        stderr: "",
      });
      expect(log).not.toContain("ya29.secret");
    });
  },
);
