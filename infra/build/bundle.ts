/**
 * One self-contained executable for one kind of machine. Three things `bun build --compile` does not do by itself
 * are done here: the native library of sodium-native goes in, workers are found under their names inside, and the
 * dashboard goes in as browsers get it.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type DashboardFile, dashboardFiles } from "@burrow/coordinator/dashboard";
import { type BunPlugin, Glob } from "bun";
import { ROOT, type Target } from "./targets.ts";

const ENTRY = "cli/src/main.ts";
/** Where the runtime mounts what was compiled in; entry points keep their paths below the root of the build. */
const EMBEDDED_ROOT = "file:///$bunfs/root";
/** How our code starts a worker. */
const WORKER_URL = /new URL\(\s*"(\.{1,2}\/[^"]+\.worker\.ts)"\s*,\s*import\.meta\.url\s*\)/g;

export interface BundleOptions {
  readonly target: Target;
  readonly outfile: string;
  readonly commit: string;
}

/** Throws with all messages of the bundler, and when a worker would be missing from the executable. */
export async function bundle({ target, outfile, commit }: BundleOptions): Promise<void> {
  const workers = workerFiles();
  const started = new Set<string>();
  const result = await Bun.build({
    entrypoints: [ENTRY, ...workers].map((path) => join(ROOT, path)),
    root: ROOT,
    // Names stay, so that the trace of an unexpected error can be read.
    minify: { whitespace: true, syntax: true },
    define: { BURROW_COMMIT: JSON.stringify(commit) },
    plugins: [nativeLibrary(target), dashboard(await dashboardFiles()), embeddedWorkers(started)],
    compile: {
      target: target.bun,
      outfile,
      // What lies in the working directory is no configuration of ours.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
    throw: false,
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  const lost = workers.filter((path) => !started.has(path));
  if (lost.length > 0) {
    throw new Error(
      `nothing starts ${lost.join(", ")} by new URL("./NAME.worker.ts", import.meta.url); the executable would not find it`,
    );
  }
}

function workerFiles(): string[] {
  const found = new Glob("{platform,relay,agent,coordinator,cli}/src/**/*.worker.ts").scanSync({ cwd: ROOT });
  return [...found].sort();
}

/** sodium-native looks for its library on the disk; the compiler takes in only what is required by a constant path. */
function nativeLibrary(target: Target): BunPlugin {
  const library = join(ROOT, `node_modules/sodium-native/prebuilds/linux-${target.arch}/sodium-native.node`);
  if (!existsSync(library)) throw new Error(`${library} is missing; run: bun install`);
  return {
    name: "native library of sodium-native",
    setup(build) {
      build.onLoad({ filter: /[/\\]sodium-native[/\\]binding\.js$/ }, () => ({
        contents: `module.exports = require(${JSON.stringify(library)});`,
        loader: "js",
      }));
    },
  };
}

/** In place of the module that bundles the dashboard from its sources stands what it would give. */
function dashboard(files: readonly DashboardFile[]): BunPlugin {
  return {
    name: "dashboard",
    setup(build) {
      build.onLoad({ filter: /[/\\]coordinator[/\\]src[/\\]io[/\\]dashboard-files\.ts$/ }, () => ({
        contents: `export const dashboardFiles = async () => ${JSON.stringify(files)};`,
        loader: "js",
      }));
    },
  };
}

/** Inside the executable a module's own URL says nothing about its folder: workers get their full names. */
function embeddedWorkers(started: Set<string>): BunPlugin {
  return {
    name: "workers",
    setup(build) {
      build.onLoad({ filter: /[/\\]src[/\\].*\.ts$/ }, ({ path }) => {
        const contents = readFileSync(path, "utf8").replace(WORKER_URL, (_, specifier: string) => {
          const worker = relative(ROOT, join(dirname(path), specifier));
          started.add(worker);
          return `new URL(${JSON.stringify(`${EMBEDDED_ROOT}/${worker.replace(/\.ts$/, ".js")}`)})`;
        });
        return { contents, loader: "ts" };
      });
    },
  };
}
