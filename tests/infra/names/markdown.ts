/**
 * The names in READMEs and in the deployment guide: HCL blocks against the modules and examples they speak of, shell
 * blocks by their variables, the files they write by what reads those, and names in running text.
 */
import { dirname } from "node:path";
import { mainFile } from "../../../infra/generate/hcl.ts";
import { parseRegions } from "../../../infra/generate/regions.ts";
import { checkTerraform } from "../hcl/check.ts";
import { parse } from "../hcl/parser.ts";
import { checkShell } from "./shell.ts";

type Files = ReadonlyMap<string, string>;
type Blocks = Readonly<Record<string, unknown>>;

const PLACES = "infra/modules/relay/places.json";

export async function checkMarkdown(path: string, text: string, files: Files): Promise<string[]> {
  const hcl = blocksOf(text, "hcl");
  const shell = blocksOf(text, "sh").join("\n");
  const problems = checkProse(path, text, files);
  for (const [i, block] of hcl.entries()) problems.push(...(await checkHcl(`${path}#${i}`, block, files)));
  if (shell === "") return problems;
  problems.push(...checkShell(path, withoutHeredocs(shell), new Set(["BURROW_OPERATOR_TOKEN"])));
  return [...problems, ...(await checkGuide(path, text, shell, files))];
}

const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, block = ""]) => block);

/** A module block is a root module of its own, whose variables and providers are the examples'. */
async function checkHcl(path: string, block: string, files: Files): Promise<string[]> {
  if (!/^module /m.test(block)) return await checkValues(path, block, files, () => true);
  const folder = "infra/examples/of-a-readme";
  const all = [...files].filter(([file]) => file.endsWith(".tf")).map(([, text]) => text);
  const declares = (pattern: RegExp) => all.some((text) => pattern.test(text));
  const variables = [...new Set([...block.matchAll(/\bvar\.(\w+)/g)].map(([, name = ""]) => name))].filter(
    (name) => declares(new RegExp(`^variable "${name}"`, "m")),
  );
  const aliases = [...block.matchAll(/= aws\.(\w+)/g)]
    .map(([, alias = ""]) => alias)
    .filter((alias) => declares(new RegExp(`alias +?= "${alias}"`)));
  const root = [
    block,
    ...variables.map((name) => `variable "${name}" {}`),
    ...aliases.map((alias) => `provider "aws" {\n  alias = "${alias}"\n}`),
  ].join("\n");
  const modules = [...files].filter(([file]) => file.startsWith("infra/modules/") && !file.endsWith(".hcl"));
  const problems = await checkTerraform(new Map([...modules, [`${folder}/main.tf`, root]]));
  return problems.filter((problem) => problem.startsWith(folder)).map((problem) => `${path}: ${problem}`);
}

/** Values for variables: of an example that `mayBe` the one, and with the attributes that their types have. */
async function checkValues(
  path: string,
  block: string,
  files: Files,
  mayBe: (example: string) => boolean,
): Promise<string[]> {
  const examples = [...files].filter(([file]) => /^infra\/examples\/.*\.tf$/.test(file) && mayBe(file));
  const values = (await parse("values.tfvars", block)) as Blocks;
  return Object.entries(values).flatMap(([name, value]) => {
    const declared = examples.map(
      ([, text]) => new RegExp(`^variable "${name}" \\{.*?^\\}`, "ms").exec(text)?.[0],
    );
    const variable = declared.find((found) => found !== undefined);
    if (variable === undefined) return [`${path}: no example has a variable ${name}`];
    return attributesOf(value)
      .filter((key) => !new RegExp(`\\b${key}\\b`).test(`${variable} arm64 amd64`))
      .map((key) => `${path}: ${name} has no ${key}`);
  });
}

function attributesOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...attributesOf(inner)]);
}

interface Heredoc {
  readonly target: string;
  readonly content: string;
}

const HEREDOC = /^.*?(?:>|tee) (\S+) <<END\n(.*?)^END$/gms;

function heredocsOf(shell: string): Heredoc[] {
  return [...shell.matchAll(HEREDOC)].map(([, target = "", content = ""]) => ({ target, content }));
}

const withoutHeredocs = (shell: string): string => shell.replace(HEREDOC, "");

/** What the guide has its reader write and ask: regions, values, outputs, resources. */
async function checkGuide(path: string, text: string, shell: string, files: Files): Promise<string[]> {
  const problems: string[] = [];
  const coordinator = (file: string) => file.includes("/coordinator/");
  const all = new Map(files);
  for (const { target, content } of heredocsOf(shell)) {
    if (target.endsWith("regions.json")) {
      try {
        const regions = parseRegions(content, files.get(PLACES) ?? "{}");
        all.set("infra/examples/of-the-guide/main.tf", mainFile(regions, "../../modules"));
      } catch (error) {
        problems.push(`${path}: ${target}: ${(error as Error).message}`);
      }
    } else if (target.endsWith(".tfvars")) {
      const isFirst = content.includes("domain");
      const found = await checkValues(path, content.replace(/\$\([^)]*\)/g, "x"), all, (file) =>
        isFirst ? coordinator(file) : file.includes("of-the-guide"),
      );
      problems.push(...found);
    }
  }
  const terraform = [...all].filter(([file]) => file.endsWith(".tf"));
  const say = (
    what: string,
    found: RegExpMatchArray,
    pattern: (name: string) => RegExp,
    within = "infra/",
  ) => {
    const name = found[1] ?? "";
    if (!terraform.some(([file, text]) => file.startsWith(within) && pattern(name).test(text)))
      problems.push(`${path}: ${what} ${name}`);
  };
  for (const found of text.matchAll(/\bTF_VAR_(\w+)/g))
    say(
      "no example has a variable",
      found,
      (name) => new RegExp(`^variable "${name}"`, "m"),
      "infra/examples/",
    );
  for (const found of text.matchAll(/terraform output (\w+)/g))
    say("no example has an output", found, (name) => new RegExp(`^output "${name}"`, "m"), "infra/examples/");
  for (const found of text.matchAll(/\bmodule\.\w+\.(\w+\.\w+)/g))
    say("no module has a resource", found, (name) => {
      const [type, own] = name.split(".");
      return new RegExp(`^resource "${type}" "${own}"`, "m");
    });
  for (const found of text.matchAll(/\b(module\.\w+)\.\w+\.\w+/g))
    say(
      "no example has a",
      found,
      (name) => new RegExp(`^module "${name.slice(7)}"`, "m"),
      "infra/examples/",
    );
  return problems;
}

/** Names of several words in backticks are Terraform's: of the README's own module, or of any for the guide. */
function checkProse(path: string, text: string, files: Files): string[] {
  const folder = dirname(path);
  const near = [...files].filter(
    ([file]) =>
      file.endsWith(".tf") &&
      (folder.startsWith("infra/modules/") ? file.startsWith("infra/modules/") : true),
  );
  const prose = text.replace(/^```.*?^```/gms, "");
  const names = [...prose.matchAll(/`(?:TF_VAR_)?([a-z]+(?:_[a-z]+)+)`/g)].map(([, name = ""]) => name);
  const outputs = [...prose.matchAll(/`terraform output (\w+)`/g)].map(([, name = ""]) => name);
  const known = (pattern: RegExp) => near.some(([, content]) => pattern.test(content));
  return [
    ...names
      .filter((name) => !known(new RegExp(`^\\s*(?:variable|output) "${name}"|^\\s*${name}\\s+=`, "m")))
      .map((name) => `${path}: nobody has ${name}`),
    ...outputs
      .filter((name) => !known(new RegExp(`^output "${name}"`, "m")))
      .map((name) => `${path}: there is no output ${name}`),
  ];
}
