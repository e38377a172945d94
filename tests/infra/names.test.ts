/** No name under infra/ is misspelt: Terraform's, templates', the command's variables; and a typo would be seen. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { buildProgram } from "../../cli/src/program.ts";
import type { Terminal } from "../../cli/src/terminal.ts";
import { has, infraFiles, ROOT } from "./files.ts";
import { checkTerraform } from "./hcl/check.ts";

const TERRAFORM = "**/*.{tf,tftpl,tftest.hcl,tfvars.example}";
/** What every service of ours gets from its service manager or sets for itself. */
const SCRIPTS = "lib/*";

test("every name in Terraform files is declared, and every declared one used", async () => {
  const files = infraFiles(TERRAFORM);
  expect(files.size).toBeGreaterThan(30);
  expect(await checkTerraform(files)).toEqual([]);
});

/** Places where a name stands, one pattern each; the group is the name. */
const NAMES: readonly RegExp[] = [
  /\bvar\.(\w+)/g,
  /\blocal\.(\w+)/g,
  /\bmodule\.\w+(?:\[[^\]]*\])?\.(\w+)/g,
  /\bmodule\.(\w+)/g,
  /\beach\.(\w+)/g,
  /^variable "(\w+)"/gm,
  /\b(?:aws|google|hcloud|digitalocean)_\w+\.(\w+)[.[]/g,
];
const TEMPLATE_NAMES: readonly RegExp[] = [/\$\{(\w+)(?![\w(])/g, /\bin (\w+) ~?\}/g];

test("a typo in any of these names is seen", async () => {
  const files = infraFiles(TERRAFORM);
  const unseen: string[] = [];
  let tried = 0;
  for (const [path, text] of files) {
    if (!path.endsWith(".tf") && !path.endsWith(".tftpl")) continue;
    const folder = path.slice(0, path.lastIndexOf("/"));
    const seen = new Set<string>();
    for (const pattern of path.endsWith(".tf") ? NAMES : TEMPLATE_NAMES) {
      for (const match of text.matchAll(pattern)) {
        const [found, name = ""] = match;
        // Once for each way of naming it and file is enough; comments and descriptions are prose.
        if (seen.has(found) || isProse(text, match.index)) continue;
        seen.add(found);
        tried++;
        const at = match.index + found.lastIndexOf(name);
        const broken = `${text.slice(0, at + name.length)}x${text.slice(at + name.length)}`;
        const problems = await checkTerraform(new Map(near(files, folder)).set(path, broken));
        if (problems.length === 0) unseen.push(`${path}: ${name} → ${name}x in ${found}`);
      }
    }
  }
  console.log(`${tried} typos tried`);
  expect(tried).toBeGreaterThan(250);
  expect(unseen).toEqual([]);
}, 60_000);

/** A folder and the modules: what a file in it can be checked against. */
function near(files: ReadonlyMap<string, string>, folder: string): [string, string][] {
  return [...files].filter(([path]) => path.startsWith(`${folder}/`) || path.startsWith("infra/modules/"));
}

function isProse(text: string, at: number): boolean {
  const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
  return /^\s*#|^\s*(?:description|error_message)\s*=/.test(line) && !line.includes("${");
}

test("a variable that a module does not have, or needs and is not given, is seen", async () => {
  const files = infraFiles(TERRAFORM);
  const path = "infra/examples/coordinator/main.tf";
  const text = files.get(path) ?? "";
  const change = async (from: string, to: string) => {
    expect(text).toContain(from);
    return (await checkTerraform(new Map(files).set(path, text.replace(from, to)))).join("\n");
  };
  expect(await change("  dns_zone_id         =", "  dns_zone            =")).toContain(
    "has no variable dns_zone",
  );
  expect(await change(/ {2}zone {2,}=.*\n/.exec(text)?.[0] ?? "-", "")).toContain("zone is not given");
  expect(await change("module.coordinator.ssh", "module.coordinator.shh")).toContain("has no such output");
});

const quiet: Terminal = {
  out: () => {},
  err: () => {},
} as unknown as Terminal;

test("every BURROW_… variable under infra/ is one that the command or a script reads", () => {
  const scripts = infraFiles(SCRIPTS);
  const readByScripts = new Set(
    [...scripts.values()].flatMap((text) =>
      [...text.matchAll(/(?:\$\{|environ\.get\(")(BURROW_\w+)/g)].map((m) => m[1] ?? ""),
    ),
  );
  const readByCommand = new Set(variablesOf(buildProgram(quiet)));
  expect(readByCommand).toContain("BURROW_COORDINATOR");
  // Not a flag's: the bundler puts the commit in its place.
  const known = new Set([...readByScripts, ...readByCommand, "BURROW_OPERATOR_TOKEN", "BURROW_COMMIT"]);
  const unknown = [...infraFiles("**/*.{tf,tftpl,hcl,service,timer,conf,md,json,example}")].flatMap(
    ([path, text]) =>
      [...text.matchAll(/\bBURROW_[A-Z0-9_]+\b(?!…)/g)]
        .map(([name]) => `${path}: ${name}`)
        .filter((line) => !known.has(line.split(": ")[1] ?? "")),
  );
  expect(unknown).toEqual([]);
  // And what only scripts read, somebody sets or documents.
  const set = [...infraFiles("**/*.{tf,service,md}").values()].join("\n");
  expect([...readByScripts].filter((name) => !readByCommand.has(name) && !set.includes(name))).toEqual([]);
});

type Command = ReturnType<typeof buildProgram>;

function variablesOf(command: Command): string[] {
  const own = command.options.map(({ envVar }) => envVar).filter((name) => name !== undefined);
  return [...own, ...command.commands.flatMap((child) => variablesOf(child as Command))];
}

test.skipIf(!has("shellcheck", "shell scripts"))("scripts use no variable that nobody sets", () => {
  const shell = [...infraFiles(SCRIPTS)].filter(([, text]) => text.startsWith("#!/bin/sh"));
  const paths = shell.map(([path]) => join(ROOT, path));
  const run = Bun.spawnSync(["shellcheck", "--severity=warning", ...paths]);
  expect(run.stdout.toString()).toBe("");
  expect(run.exitCode).toBe(0);
});

test("every module's README names its variables and outputs, and no others", () => {
  for (const [path, text] of infraFiles("modules/*/variables.tf")) {
    const folder = path.replace("/variables.tf", "");
    const readme = infraFiles(`${folder.replace("infra/", "")}/README.md`).get(`${folder}/README.md`) ?? "";
    const outputs = infraFiles("modules/*/outputs.tf").get(`${folder}/outputs.tf`) ?? "";
    const declared = [text, outputs].flatMap((of) =>
      [...of.matchAll(/^(?:variable|output) "(\w+)"/gm)].map((m) => m[1]),
    );
    const listed = [...readme.matchAll(/^\| `(\w+)` +\|/gm)].map((m) => m[1]);
    expect([folder, ...listed.toSorted()]).toEqual([folder, ...declared.toSorted()]);
  }
});
