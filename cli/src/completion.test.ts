/** What the shells offer, by the command itself and in the shells that are here. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Candidate, candidateLine, complete, SCRIPTS, SHELLS } from "./completion.ts";
import { buildProgram } from "./program.ts";
import { burrow, captured } from "./testing.ts";

const MAIN = new URL("./main.ts", import.meta.url).pathname;
const PEERS: readonly Candidate[] = [{ value: "server", description: "100.64.0.2" }];

async function offered(...words: string[]): Promise<string[]> {
  const namesOf = async (argument: string) => (argument === "PEER" ? PEERS : []);
  return (await complete(buildProgram(captured()), words, namesOf)).map(({ value }) => value);
}

test("commands, their commands, flags, values and peers, where each may stand", async () => {
  expect(await offered("re")).toEqual(["relay", "relays"]);
  expect(await offered("relay", "")).toEqual(expect.arrayContaining(["list", "drain", "remove"]));
  expect(await offered("token", "")).toEqual(expect.arrayContaining(["create", "list", "remove"]));
  expect(await offered("operator", "")).toEqual(expect.arrayContaining(["token", "rotate"]));
  expect(await offered("coordinator", "")).toEqual(expect.arrayContaining(["backup", "restore"]));
  expect(await offered("token", "create", "--fo")).toEqual(["--for"]);
  expect(await offered("token", "create", "--for", "")).toEqual(["agent", "relay"]);
  expect(await offered("up", "--device", "t")).toEqual(["tun:"]);
  expect(await offered("up", "--log-level", "de")).toEqual(["debug"]);
  expect(await offered("why", "")).toEqual(["server"]);
  expect(await offered("ping", "-c", "3", "se")).toEqual(["server"]);
  expect(await offered("ping", "server", "")).toEqual([]);
  expect(await offered("relay", "--state", "")).toEqual([]);
  expect(await offered("peers", "--w")).toEqual(["--watch"]);
  expect(await offered("nonsense", "--no", "x")).toEqual([]);
  expect(await offered("")).toContain("doctor");
});

test("lines are as each shell reads them", () => {
  const device = { value: "tun:", description: "a\nTUN  device" };
  expect(SHELLS.map((shell) => candidateLine(device, shell))).toEqual([
    "tun:",
    "tun\\::a TUN device",
    "tun:\ta TUN device",
  ]);
});

test("`burrow completion` prints a script, and refuses a shell that it does not know", async () => {
  for (const shell of SHELLS)
    expect(await burrow(["completion", shell])).toMatchObject({ exitCode: 0, stdout: SCRIPTS[shell] });
  expect(await burrow(["completion", "csh"])).toMatchObject({ exitCode: 2 });
});

/** The shell with the script loaded and `burrow` on its path, asked what it would offer. */
const ASK = {
  bash: "source <(burrow completion bash); COMP_WORDS=(burrow relay dr); COMP_CWORD=2; _burrow; declare -p COMPREPLY | cut -d'\"' -f2",
  zsh: "compdef() { :; }; _describe() { print -l -- $candidates; }; _files() { :; }; source <(burrow completion zsh); words=(burrow relay dr); CURRENT=3; _burrow",
  fish: 'burrow completion fish | source; complete -C "burrow relay dr"',
} as const;

describe.each(SHELLS)("in %s", (shell) => {
  test.skipIf(Bun.which(shell) === null)(
    "the script works",
    async () => {
      const directory = mkdtempSync(join(tmpdir(), "burrow-completion-"));
      try {
        const command = join(directory, "burrow");
        writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
        chmodSync(command, 0o755);
        const { PATH } = process.env;
        const env = { ...process.env, PATH: `${directory}:${PATH}`, HOME: directory };
        const child = Bun.spawn([shell, "-c", ASK[shell]], { env, stdout: "pipe", stderr: "pipe" });
        const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
        expect(stderr).toBe("");
        expect(stdout.split(/[\n:\t]/)[0]?.trim()).toBe("drain");
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
    20_000,
  );
});
