/** The house's files as the tidy test reads them: their text, what they import, and what kind of file each is. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

export const ROOT = new URL("..", import.meta.url).pathname;

const IMPORT = new RegExp(
  [
    String.raw`\b(?:import|export)\b[^"'();]*?\bfrom\s*["']([^"'$]+)["']`,
    String.raw`\bimport\s*["']([^"']+)["']`,
    String.raw`\b(?:import|require|require\.resolve)\(\s*["']([^"'$]+)["']`,
    String.raw`\bnew\s+(?:URL|Worker|SharedWorker)\(\s*["'](\.{1,2}/[^"']+\.ts)["']`,
    String.raw`<script\b[^>]*\bsrc=["']([^"']+\.tsx?)["']`,
  ].join("|"),
  "g",
);

export interface Import {
  readonly line: number;
  readonly specifier: string;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out, line by line the same. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Manifest {
  readonly name: string;
  readonly exports?: string | Readonly<Record<string, unknown>>;
  readonly bin?: string | Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Comments become blanks; strings are matched first, so that one which holds `//` or a glob stays as it is. */
export function withoutComments(text: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, (found) => (found.startsWith("/") ? found.replace(/[^\n]/g, " ") : found));
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

export function importsOf(code: string): Import[] {
  return [...code.matchAll(IMPORT)].flatMap((match) => {
    const specifier = match.slice(1).find((group) => group !== undefined);
    if (specifier === undefined) return [];
    return [{ line: lineAt(code, match.index + match[0].indexOf(specifier)), specifier }];
  });
}

export function sourceOf(path: string): Source {
  const text = readFileSync(join(ROOT, path), "utf8");
  const code = path.endsWith(".html") ? text : withoutComments(text);
  return { path, text, code, imports: importsOf(code) };
}

/** Of these folders. */
export function scan(folders: readonly string[], pattern: string): string[] {
  const found = folders.flatMap((name) =>
    existsSync(join(ROOT, name))
      ? [...new Glob(`${name}/${pattern}`).scanSync({ cwd: ROOT })].map((path) => path.replaceAll("\\", "/"))
      : [],
  );
  return found.filter((path) => !/(?:^|\/)(?:node_modules|dist)\//.test(path)).sort();
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts");
/** Run by tests only: contracts, child processes, kits. Never part of a product. */
export const isTestSupport = (path: string): boolean =>
  isTest(path) || /\.(?:contract|child)\.ts$|\/testing\/|\/(?:testing|testkit)\.ts$/.test(path);
export const isRelative = (specifier: string): boolean => specifier.startsWith(".");

/** `@noble/hashes/utils.js` → `@noble/hashes`. */
export function libraryOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

export function isBuiltIn(specifier: string): boolean {
  return /^(?:node:|bun:|bun$)/.test(specifier);
}
