/**
 * Finds names in Terraform files that nobody declared, declared ones that nobody uses, and calls of modules and
 * templates that do not fit them. Needs no provider; what a provider's schema knows is left to `terraform validate`.
 */
import { dirname, join, normalize } from "node:path";
import { interpolations, namesIn, templateCalls } from "./expressions.ts";
import { at, type Blocks, bodyOf, type Folder, type Json } from "./folder.ts";
import { parse } from "./parser.ts";
import { checkTest } from "./test-files.ts";

/** Arguments of a module block that are not the module's variables. */
const META_ARGUMENTS = new Set(["source", "version", "providers", "depends_on", "count", "for_each"]);
const BUILT_IN_ROOTS = new Set(["path", "terraform", "each", "count", "self"]);
/** Those that are in use; a new one is added here. */
const FUNCTIONS = new Set([
  ...["abs", "alltrue", "base64encode", "can", "cidrhost", "cidrsubnet", "coalesce", "concat", "contains"],
  ...["distinct", "file", "floor", "indent", "join", "jsondecode", "jsonencode", "keys", "length", "merge"],
  ...["regex", "replace", "setintersection", "sha256", "split", "strcontains", "substr", "templatefile"],
  ...["tolist", "tonumber", "tostring", "trimsuffix", "try", "values", "yamlencode"],
  // Types.
  ...["list", "map", "object", "optional", "set"],
]);
const EACH = new Set(["key", "value"]);
const PATH = new Set(["module", "root", "cwd"]);

/** Parsing takes milliseconds, and most files are looked at again and again. */
const parsed = new Map<string, Promise<Blocks>>();

function parseHcl(path: string, text: string): Promise<Blocks> {
  const known = parsed.get(text) ?? (parse(path, text) as Promise<Blocks>);
  parsed.set(text, known);
  return known;
}

/** Problems in the files given (path → text), each `FOLDER: what`. Templates are among the files. */
export async function checkTerraform(files: ReadonlyMap<string, string>): Promise<string[]> {
  const problems: string[] = [];
  const folders = new Map<string, Folder>();
  for (const path of new Set([...files.keys()].filter((path) => path.endsWith(".tf")).map(dirname))) {
    try {
      folders.set(path, await readFolder(path, files));
    } catch (error) {
      problems.push(`${path}: does not parse: ${(error as Error).message}`);
    }
  }
  for (const folder of folders.values()) problems.push(...checkFolder(folder, folders, files));
  for (const [path, text] of files) {
    if (path.endsWith(".tftest.hcl")) problems.push(...checkTest(path, await parseHcl(path, text), folders));
    if (path.endsWith(".tfvars.example")) problems.push(...(await checkValues(path, text, folders)));
  }
  return problems;
}

async function readFolder(path: string, files: ReadonlyMap<string, string>): Promise<Folder> {
  const own = [...files].filter(([file]) => dirname(file) === path && file.endsWith(".tf"));
  const blocks = await Promise.all(own.map(([file, text]) => parseHcl(file, text)));
  const named = (kind: string) => blocks.flatMap((block) => Object.entries((block[kind] ?? {}) as Blocks));
  const typed = (kind: string, prefix: string) =>
    named(kind).flatMap(([type, byName]) =>
      Object.keys(byName as Blocks).map((name) => `${prefix}${type}.${name}`),
    );
  return {
    path,
    blocks,
    variables: new Map(named("variable").map(([name, body]) => [name, bodyOf(body)])),
    locals: new Set(
      blocks.flatMap((block) => ((at(block, "locals") ?? []) as Blocks[]).flatMap(Object.keys)),
    ),
    outputs: new Set(named("output").map(([name]) => name)),
    resources: new Set([...typed("resource", ""), ...typed("data", "data.")]),
    modules: new Map(named("module").map(([name, body]) => [name, bodyOf(body)])),
  };
}

function checkFolder(
  folder: Folder,
  folders: ReadonlyMap<string, Folder>,
  files: ReadonlyMap<string, string>,
): string[] {
  const problems = new Set<string>();
  const say = (what: string) => problems.add(`${folder.path}: ${what}`);
  const used = { variables: new Set<string>(), locals: new Set<string>() };
  for (const { expression, scope } of expressionsOf(folder)) {
    const names = namesIn(expression);
    for (const name of names.functions) if (!FUNCTIONS.has(name)) say(`there is no function ${name}`);
    for (const [root, first, second] of names.references) {
      if (root === "var") used.variables.add(first ?? "");
      if (root === "local") used.locals.add(first ?? "");
      const problem = scope.has(root) ? undefined : unknownName(root, first, second, folder, folders);
      if (problem !== undefined) say(problem);
    }
    for (const [path, keys] of templateCalls(expression)) {
      for (const problem of checkTemplate(normalize(join(folder.path, path)), keys, files)) say(problem);
    }
  }
  for (const name of folder.variables.keys())
    if (!used.variables.has(name)) say(`variable ${name} is not used`);
  for (const name of folder.locals) if (!used.locals.has(name)) say(`local ${name} is not used`);
  for (const [name, body] of folder.modules) {
    for (const problem of checkCall(name, body, folder, folders)) say(problem);
  }
  return [...problems];
}

function unknownName(
  root: string,
  first: string | undefined,
  second: string | undefined,
  folder: Folder,
  folders: ReadonlyMap<string, Folder>,
): string | undefined {
  const name = first ?? "";
  if (root === "var") return folder.variables.has(name) ? undefined : `var.${name} is not declared`;
  if (root === "local") return folder.locals.has(name) ? undefined : `local.${name} is not declared`;
  if (root === "each") return EACH.has(name) ? undefined : `each.${name}: there are each.key and each.value`;
  if (root === "path") return PATH.has(name) ? undefined : `path.${name} is not known`;
  if (BUILT_IN_ROOTS.has(root)) return undefined;
  if (root === "module") {
    const call = folder.modules.get(name);
    if (call === undefined) return `module.${name} is not declared`;
    const target = targetOf(folder, call, folders);
    return second === undefined || target === undefined || target.outputs.has(second)
      ? undefined
      : `module.${name}.${second}: ${target.path} has no such output`;
  }
  const resource = root === "data" ? `data.${name}.${second ?? ""}` : `${root}.${name}`;
  if (folder.resources.has(resource) || isProvider(folder, root, name)) return undefined;
  return `${root}${first === undefined ? "" : `.${first}`} is not declared`;
}

/** `aws.eu_central_1` in a module's providers. */
function isProvider(folder: Folder, root: string, alias: string): boolean {
  return folder.blocks.some((block) => {
    const instances = ((at(block, "provider") ?? {}) as Blocks)[root];
    return Array.isArray(instances) && instances.some((one: Json) => at(one as Blocks, "alias") === alias);
  });
}

const targetOf = (folder: Folder, call: Blocks, folders: ReadonlyMap<string, Folder>): Folder | undefined =>
  folders.get(normalize(join(folder.path, String(at(call, "source")))));

function checkCall(
  name: string,
  body: Blocks,
  folder: Folder,
  folders: ReadonlyMap<string, Folder>,
): string[] {
  const target = targetOf(folder, body, folders);
  if (target === undefined) return [`module ${name}: its source ${String(at(body, "source"))} is not there`];
  const given = Object.keys(body).filter((key) => !META_ARGUMENTS.has(key));
  const required = [...target.variables]
    .filter(([, variable]) => !("default" in variable))
    .map(([key]) => key);
  return [
    ...given
      .filter((key) => !target.variables.has(key))
      .map((key) => `module ${name}: ${target.path} has no variable ${key}`),
    ...required.filter((key) => !given.includes(key)).map((key) => `module ${name}: ${key} is not given`),
  ];
}

/** What a template uses must be passed, and what is passed be used. */
function checkTemplate(path: string, keys: readonly string[], files: ReadonlyMap<string, string>): string[] {
  const text = files.get(path);
  if (text === undefined) return [`template ${path} is not there`];
  const parts = interpolations(text);
  // `for` and what it declares may stand in different interpolations of one template.
  const declared = new Set(
    parts.flatMap((part) => [...part.matchAll(/\bfor\s+(\w+)(?:\s*,\s*(\w+))?/g)].flatMap((m) => m.slice(1))),
  );
  const names = new Set(parts.flatMap((part) => namesIn(part).references.map(([root]) => root)));
  return [
    ...[...names]
      .filter((n) => !keys.includes(n) && !declared.has(n))
      .map((n) => `template ${path} uses ${n}, which is not passed`),
    ...keys
      .filter((key) => !names.has(key))
      .map((key) => `template ${path} does not use ${key}, which is passed`),
  ];
}

interface Expression {
  readonly expression: string;
  /** Names that are declared around it: iterators of dynamic blocks. */
  readonly scope: ReadonlySet<string>;
}

function expressionsOf(folder: Folder): Expression[] {
  const found: Expression[] = [];
  const walk = (value: Json, scope: ReadonlySet<string>) => {
    if (typeof value === "string") {
      for (const expression of interpolations(value)) found.push({ expression, scope });
    } else if (Array.isArray(value)) {
      for (const one of value) walk(one, scope);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        // What `ignore_changes` names are the arguments beside its block.
        const beside = key === "lifecycle" ? Object.keys(value) : [];
        const more = key === "dynamic" ? Object.keys(inner as Blocks) : beside;
        walk(inner, more.length === 0 ? scope : new Set([...scope, ...more]));
      }
    }
  };
  for (const block of folder.blocks) walk(block, new Set());
  return found;
}

async function checkValues(
  path: string,
  text: string,
  folders: ReadonlyMap<string, Folder>,
): Promise<string[]> {
  const folder = folders.get(dirname(path));
  const values = await parseHcl(path, text);
  return Object.keys(values)
    .filter((name) => folder?.variables.has(name) !== true)
    .map((name) => `${path}: sets ${name}, which nobody declares`);
}
