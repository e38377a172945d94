/** No name under infra/ or in the deployment guide is misspelt, in any of its languages; and a typo would be seen. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { buildProgram } from "../../cli/src/program.ts";
import type { Terminal } from "../../cli/src/terminal.ts";
import { parseRegions } from "../../infra/generate/regions.ts";
import { has, infraFiles, ROOT } from "./files.ts";
import { checkTerraform } from "./hcl/check.ts";
import { checkNames, type Readers } from "./names/check.ts";
import { typosIn } from "./names/typos.ts";

const hasPython = has("python3", "names in Python programs");
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

type Command = ReturnType<typeof buildProgram>;

function variablesOf(command: Command): string[] {
  const own = command.options.map(({ envVar }) => envVar).filter((name) => name !== undefined);
  return [...own, ...command.commands.flatMap((child) => variablesOf(child as Command))];
}

const sources = [...new Glob("{cli,relay,coordinator,agent,platform}/src/**/*.ts").scanSync({ cwd: ROOT })]
  .map((path) => readFileSync(join(ROOT, path), "utf8"))
  .join("\n");
const readers: Readers = {
  command: new Set(variablesOf(buildProgram(quiet))),
  source: (name) => new RegExp(`\\b${name}\\b`).test(sources),
};

const GUIDE = "docs/deploy.md";
const everything = new Map([
  ...infraFiles("**/*"),
  [GUIDE, readFileSync(join(ROOT, GUIDE), "utf8")] as const,
]);

test.skipIf(!hasPython)(
  "every name under infra/ and in the deployment guide is known where it is used",
  async () => {
    expect(readers.command).toContain("BURROW_COORDINATOR");
    expect(await checkNames(everything, readers)).toEqual([]);
  },
);

test.skipIf(!hasPython)(
  "a typo in a name of any other language is seen too",
  async () => {
    const unseen: string[] = [];
    const kinds = new Map<string, number>();
    for (const [path, text] of everything) {
      for (const { found, broken } of typosIn(path, text)) {
        if (!(await isSeen(path, broken))) unseen.push(`${path}: ${found}`);
        const kind =
          path
            .split("/")
            .at(-1)
            ?.replace(/^[^.]+\./, "") ?? "";
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    }
    console.log([...kinds].map(([kind, tried]) => `${kind} ${tried}`).join(", "));
    expect(unseen).toEqual([]);
    for (const kind of ["md", "service", "conf", "tf", "tftest.hcl", "sh.tftpl", "json", "Containerfile"])
      expect(kinds.get(kind)).toBeGreaterThan(2);
  },
  120_000,
);

/** Of a regions file it is the generator that says so. */
async function isSeen(path: string, broken: string): Promise<boolean> {
  if (!path.endsWith("/regions.json"))
    return (await checkNames(new Map(everything).set(path, broken), readers, path)).length > 0;
  try {
    parseRegions(broken, everything.get("infra/modules/relay/places.json") ?? "");
    return false;
  } catch {
    return true;
  }
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
