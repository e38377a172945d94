/** All names under infra/ and in the deployment guide, whatever the language of the file they stand in. */
import { checkTerraform } from "../hcl/check.ts";
import { interpolations } from "../hcl/expressions.ts";
import { checkMarkdown } from "./markdown.ts";
import { checkPython, embeddedPython } from "./python.ts";
import { checkShell, shellNames } from "./shell.ts";
import { checkContainerfile, checkPaths, checkUnitNames, checkUnits, checkWords, wordsIn } from "./words.ts";

export interface Readers {
  /** Variables that the command reads. */
  readonly command: ReadonlySet<string>;
  /** Whether the command's source names a variable that is not Burrow's. */
  readonly source: (name: string) => boolean;
}

/**
 * Problems in the files given (path → text): all of infra/ that is no TypeScript, and docs/deploy.md. With `changed`,
 * where the others are known to be in order, only those that this file can have brought.
 */
export async function checkNames(
  files: ReadonlyMap<string, string>,
  readers: Readers,
  changed?: string,
): Promise<string[]> {
  const texts = [...files].filter(([path]) => !path.endsWith(".ts"));
  const problems = changed === undefined || isTerraform(changed) ? await checkTerraform(files) : [];
  for (const [path, text] of texts.filter(([path]) => changed === undefined || path === changed))
    problems.push(...(await checkFile(path, text, files, readers)));
  const scripts = texts.filter(([path]) => path.startsWith("infra/lib/"));
  const others = texts.filter(([path]) => !path.startsWith("infra/lib/"));
  const readByScripts = new Set(scripts.flatMap(([path, text]) => readBy(path, text)));
  const set = new Set(others.flatMap(([, text]) => wordsIn(text)));
  const known = new Set([...readers.command, ...readByScripts, "BURROW_OPERATOR_TOKEN"]);
  return [
    ...problems,
    ...checkWords(new Map(texts), known, (path, text) =>
      isScript(path, text) ? shellNames(text).set : pythonSets(text),
    ),
    ...[...readByScripts]
      .filter((name) => !readers.command.has(name) && !set.has(name))
      .map((name) => `infra/lib: nobody sets ${name}`),
    ...checkPaths(files),
    ...checkUnits(files),
  ];
}

async function checkFile(
  path: string,
  text: string,
  files: ReadonlyMap<string, string>,
  { source, command }: Readers,
): Promise<string[]> {
  if (path.endsWith(".md")) return await checkMarkdown(path, text, files);
  if (path.endsWith("/Containerfile")) return checkContainerfile(path, text, source);
  if (/\.(?:service|timer|conf)$/.test(path)) return checkUnitNames(path, text);
  if (isPython(text)) return checkPython(path, text);
  if (!isScript(path, text)) return [];
  const template = path.endsWith(".tftpl");
  const shell = template ? withoutInterpolations(text) : text;
  const environment = new Set([
    ...command,
    ...wordsIn(shell).filter((word) => word.startsWith("BURROW_")),
    "DEBIAN_FRONTEND",
  ]);
  return [
    ...checkShell(path, shell, environment),
    ...embeddedPython(text).flatMap((program) => checkPython(path, program)),
  ];
}

const isTerraform = (path: string): boolean => /\.(?:tf|tftpl|hcl)$/.test(path);
const isPython = (text: string): boolean => text.startsWith("#!/usr/bin/env python3");
const isScript = (path: string, text: string): boolean =>
  text.startsWith("#!/bin/sh") || path.endsWith(".sh.tftpl");

function readBy(path: string, text: string): string[] {
  const read = isPython(text) ? /environ\.get\("(BURROW_\w+)"/g : /\$\{?(BURROW_\w+)/g;
  return isScript(path, text) || isPython(text) ? [...text.matchAll(read)].map(([, name = ""]) => name) : [];
}

/** Constants of a Python program. */
const pythonSets = (text: string): ReadonlySet<string> =>
  new Set(isPython(text) ? [...text.matchAll(/^([A-Z_]+) = /gm)].map(([, name = ""]) => name) : []);

/** What Terraform puts in is checked with the rest of Terraform. */
function withoutInterpolations(text: string): string {
  return interpolations(text).reduce(
    (left, part) =>
      left.replaceAll(`$\{${part}}`, "").replaceAll(`%{${part}}`, "").replaceAll(`%{ ${part.trim()} ~}`, ""),
    text,
  );
}
