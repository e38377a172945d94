/**
 * `bun run build [x64|arm64]…`: dist/burrow-linux-ARCH, a Debian package of each, and SHA256SUMS over all of them.
 * The runtime for the other architecture is fetched by the compiler, from the registry that packages come from.
 */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { bundle } from "./build/bundle.ts";
import { debianPackage, packageFileName } from "./build/debian.ts";
import { DIST, executableName, ROOT, TARGETS, type Target } from "./build/targets.ts";

const BINARY_MODE = 0o755;

/** The commit's first ten digits, `-dirty` when files differ from it; `unknown` outside a checkout. */
function commitNow(): string {
  const git = (...args: string[]) => Bun.spawnSync(["git", ...args], { cwd: ROOT, stderr: "ignore" });
  const head = git("rev-parse", "--short=10", "HEAD");
  if (head.exitCode !== 0) return "unknown";
  const clean = git("diff-index", "--quiet", "HEAD", "--").exitCode === 0;
  return head.stdout.toString().trim() + (clean ? "" : "-dirty");
}

async function build(target: Target, commit: string): Promise<void> {
  const started = performance.now();
  const executable = join(DIST, executableName(target));
  await bundle({ target, outfile: executable, commit });
  chmodSync(executable, BINARY_MODE);
  const bytes = readFileSync(executable);
  const deb = join(DIST, packageFileName(target, packageJson.version));
  writeFileSync(deb, debianPackage(target, packageJson.version, bytes));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${executableName(target)} (${(bytes.length / 2 ** 20).toFixed(0)} MB) and ${packageFileName(target, packageJson.version)}, ${seconds} s`,
  );
}

/** In the format of sha256sum(1): `cd dist && sha256sum --check SHA256SUMS`. */
function writeChecksums(): void {
  const names = readdirSync(DIST)
    .filter((name) => name.startsWith("burrow"))
    .sort();
  const lines = names.map((name) => {
    const hash = createHash("sha256")
      .update(readFileSync(join(DIST, name)))
      .digest("hex");
    return `${hash}  ${name}\n`;
  });
  writeFileSync(join(DIST, "SHA256SUMS"), lines.join(""));
  console.log(lines.join("").trimEnd());
}

function chosen(args: readonly string[]): readonly Target[] {
  const unknown = args.filter((arg) => !TARGETS.some(({ arch }) => arch === arg));
  if (unknown.length > 0) {
    console.error(`error: ${unknown.join(", ")}: no such architecture\n  try: bun run build [x64] [arm64]`);
    process.exit(2);
  }
  return args.length === 0 ? TARGETS : TARGETS.filter(({ arch }) => args.includes(arch));
}

const targets = chosen(process.argv.slice(2));
rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST, { recursive: true });
const commit = commitNow();
for (const target of targets) await build(target, commit);
writeChecksums();
