/** The names in a `terraform test` file: what it sets, asks, mocks and expects must be its module's. */
import { dirname } from "node:path";
import { interpolations, namesIn } from "./expressions.ts";
import { at, type Blocks, bodyOf, type Folder, type Json } from "./folder.ts";

const RUN = new Set(["command", "variables", "assert", "expect_failures"]);
const ASSERT = new Set(["condition", "error_message"]);
const MOCK = new Set(["defaults"]);

export function checkTest(path: string, file: Blocks, folders: ReadonlyMap<string, Folder>): string[] {
  const folder = folders.get(dirname(dirname(path)));
  if (folder === undefined) return [`${path}: there is no module above it`];
  const own = (at(file, "variables") ?? []) as readonly Blocks[];
  const runs = Object.values((at(file, "run") ?? {}) as Blocks).map(bodyOf);
  const asserts = runs.flatMap((run) => (at(run, "assert") ?? []) as readonly Blocks[]);
  const sets = [...own, ...runs.flatMap((run) => (at(run, "variables") ?? []) as readonly Blocks[])];
  const mocks = Object.values((at(file, "mock_provider") ?? {}) as Blocks).flatMap((provider) =>
    Object.entries((at(bodyOf(provider), "mock_resource") ?? {}) as Blocks),
  );
  const types = new Set([...folders.values()].flatMap(({ resources }) => [...resources].map(typeOf)));
  const problems = [
    ...keysOf(sets)
      .filter((name) => !folder.variables.has(name))
      .map((name) => `sets ${name}, which ${folder.path} does not declare`),
    ...textsIn([runs])
      .flatMap(interpolations)
      .flatMap((expression) => namesIn(expression).references)
      .filter(([root, first = ""]) => !isKnown(root, first, folder))
      .map(([root, first = ""]) => `asks for ${root}.${first}, which ${folder.path} does not have`),
    ...mocks.filter(([type]) => !types.has(type)).map(([type]) => `mocks ${type}, which no module makes`),
    ...keysOf(mocks.map(([, body]) => bodyOf(body)))
      .filter((key) => !MOCK.has(key))
      .map((key) => `a mock has no ${key}`),
    ...keysOf(runs)
      .filter((key) => !RUN.has(key))
      .map((key) => `a run has no ${key}`),
    ...keysOf(asserts)
      .filter((key) => !ASSERT.has(key))
      .map((key) => `an assertion has no ${key}`),
  ];
  return [...new Set(problems)].map((problem) => `${path}: ${problem}`);
}

const keysOf = (blocks: readonly Blocks[]): string[] => blocks.flatMap(Object.keys);
const typeOf = (resource: string): string => resource.split(".")[0] ?? "";

function isKnown(root: string, first: string, { variables, outputs, resources }: Folder): boolean {
  if (root === "var") return variables.has(first);
  if (root === "output") return outputs.has(first);
  // `plan`, as a run's command.
  return first === "" || resources.has(`${root}.${first}`);
}

function textsIn(value: Json): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
