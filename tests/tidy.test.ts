/**
 * Taste as a test: who may import whom and why, what keeps a core pure, and what every file owes its reader.
 * Each failure says where and what to do about it. Knows code as text; what takes types is the compiler's.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import {
  importsOf,
  isBuiltIn,
  isRelative,
  isTest,
  isTestSupport,
  libraryOf,
  type Manifest,
  ROOT,
  type Source,
  scan,
  sourceOf,
  withoutComments,
} from "./sources.ts";

type Package = "protocol" | "platform" | "relay" | "coordinator" | "agent" | "cli" | "tests" | "infra";

/** Arrows run one way. The reason is told to whoever breaks the rule. */
const MAY_IMPORT: Readonly<
  Record<Package, { readonly others: readonly Package[]; readonly reason: string }>
> = {
  protocol: { others: [], reason: "the wire knows nobody who speaks on it" },
  platform: { others: ["protocol"], reason: "doors to the system serve every part and know none" },
  relay: {
    others: ["platform", "protocol"],
    reason: "the parts meet on the wire alone, never in one process",
  },
  coordinator: { others: ["platform", "protocol"], reason: "the parts meet on the wire alone" },
  agent: { others: ["platform", "protocol"], reason: "the parts meet on the wire alone" },
  cli: {
    others: ["agent", "relay", "coordinator", "platform", "protocol"],
    reason: "the command calls the parts; nobody calls the command",
  },
  tests: {
    others: ["agent", "relay", "coordinator", "platform", "protocol", "cli", "infra"],
    reason: "tests may look everywhere",
  },
  infra: {
    others: ["protocol", "tests", "coordinator"],
    reason:
      "deployment describes the parts and runs none of them; of the coordinator it builds the dashboard",
  },
};
const PACKAGES = Object.keys(MAY_IMPORT) as Package[];

/** Libraries without I/O, clock or hidden randomness: all that a core may use beside its own files and protocol. */
const PURE_LIBRARIES: ReadonlySet<string> = new Set([
  "@noble/ciphers",
  "@noble/curves",
  "@noble/hashes",
  "ipaddr.js",
  "zod",
]);

/** What browsers are sent besides the dashboard's own files, and types that vanish. */
const BROWSER_LIBRARIES: ReadonlySet<string> = new Set([
  "d3-geo",
  "geojson",
  "preact",
  "topojson-client",
  "topojson-specification",
  "uplot",
  "world-atlas",
]);

/** The only folders that may load native code: everything else goes through platform's interfaces. */
const FFI_FOLDERS = ["platform/", "tests/lab/", "tests/interop/"] as const;

/** What a core takes as an argument instead. */
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/, "take the time as an argument `now`"],
  [/\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b/, "take random bytes as an argument"],
  [/\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, "return a deadline from nextDeadline()"],
];

const FILE_LINES_MAX = 500;
/** Longer files, each with the reason why splitting it would make it harder to read. */
const LONG_FILES: ReadonlyMap<string, string> = new Map();

// Written with classes of one letter so that this file does not find itself.
const UNFINISHED = /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/;
const SILENCED_TYPES = /@ts-(?:ignor[e]|expect-erro[r]|nochec[k])/;
const ANY = /\bas\s+an[y]\b/;

const sources = scan(PACKAGES, "**/*.{ts,tsx}").map(sourceOf);
const pages = scan(PACKAGES, "**/*.html").map(sourceOf);
const manifests = new Map<string, Manifest>(
  ["", ...PACKAGES.map((name) => `${name}/`)]
    .filter((folder) => existsSync(join(ROOT, `${folder}package.json`)))
    .map((folder) => [folder, JSON.parse(readFileSync(join(ROOT, `${folder}package.json`), "utf8"))]),
);

const packageOf = (path: string): Package => path.slice(0, path.indexOf("/")) as Package;
const isPure = (path: string): boolean =>
  /^protocol\/src\/|^[a-z]+\/src\/core\//.test(path) && !isTestSupport(path);
/** As pure as a core, but in a browser. */
const isDashboardModel = (path: string): boolean =>
  path.startsWith("coordinator/src/dashboard/model/") && !isTestSupport(path);
/** The package of this repository that an import leads to, or undefined when it leads out of it. */
function targetPackage(from: string, specifier: string): Package | undefined {
  if (isRelative(specifier)) {
    const target = normalize(join(dirname(from), specifier));
    // What lies at the top (package.json) belongs to all.
    return target.includes("/") ? packageOf(target) : undefined;
  }
  return specifier.startsWith("@burrow/") ? (specifier.split("/")[1] as Package) : undefined;
}

/** Fails with all problems at once, each `file:line: what is wrong; what to do`. */
function report(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${problems.length} to mend:\n  ${problems.join("\n  ")}\n`);
}

function findings(
  of: readonly Source[],
  text: (source: Source) => string,
  pattern: RegExp,
  advice: string,
): string[] {
  return of.flatMap((source) =>
    text(source)
      .split("\n")
      .flatMap((line, i) => {
        const found = pattern.exec(line);
        return found === null ? [] : [`${source.path}:${i + 1}: \`${found[0]}\`; ${advice}`];
      }),
  );
}

test("this test reads imports as they are written, and not those in comments", () => {
  const text = `/** import "./a.ts" */ import type { A } from "./b.ts"; // from "./c.ts"
    export * from "./d.ts"; const url = "http://x"; await import("./e.ts"); new Worker(new URL("./f.ts", x));
    import {\n one,\n two } from "node:fs"; const glob = "**/*.ts"; import "./g.ts"; /* from "./h.ts" */`;
  const found = importsOf(withoutComments(text));
  expect(found.map(({ specifier }) => specifier)).toEqual([
    "./b.ts",
    "./d.ts",
    "./e.ts",
    "./f.ts",
    "node:fs",
    "./g.ts",
  ]);
  expect(found.map(({ line }) => line)).toEqual([1, 2, 2, 2, 5, 5]);
  expect(sources.length).toBeGreaterThan(20);
  expect(libraryOf("@noble/hashes/utils.js")).toBe("@noble/hashes");
});

test("packages import only those below them", () => {
  report(
    sources.flatMap(({ path, imports }) => {
      const own = packageOf(path);
      const { others, reason } = MAY_IMPORT[own];
      return imports.flatMap(({ line, specifier }) => {
        const target = targetPackage(path, specifier);
        if (target === undefined || target === own) return [];
        const where = `${path}:${line}: ${own} imports ${target} ("${specifier}")`;
        if (!others.includes(target)) {
          return [`${where}; it may import ${others.join(", ") || "no other package"}: ${reason}`];
        }
        const reachesIn = isRelative(specifier) && own !== "tests" && !isTestSupport(path);
        return reachesIn ? [`${where}; go through the package's door, "@burrow/${target}"`] : [];
      });
    }),
  );
});

test("what ships imports in no circles, types included", () => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const problems: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    const from = way.indexOf(path);
    if (from >= 0) {
      const circle = [...way.slice(from), path].join(" → ");
      problems.push(`${circle}; move what both sides need to a file of its own`);
    }
    if (from >= 0 || done.has(path)) return;
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = normalize(join(dirname(path), specifier));
      if (isRelative(specifier) && byPath.has(target)) walk(target, [...way, path]);
    }
    done.add(path);
  };
  for (const { path } of sources) if (packageOf(path) !== "tests") walk(path, []);
  report(problems);
});

test("a core imports its own core, protocol and pure libraries", () => {
  report(
    sources
      .filter(({ path }) => isPure(path))
      .flatMap(({ path, imports }) => {
        const home = path.startsWith("protocol/") ? "protocol/src/" : `${packageOf(path)}/src/core/`;
        return imports.flatMap(({ line, specifier }) => {
          const allowed = isRelative(specifier)
            ? normalize(join(dirname(path), specifier)).startsWith(home)
            : specifier === "@burrow/protocol" || PURE_LIBRARIES.has(libraryOf(specifier));
          if (allowed) return [];
          return [
            `${path}:${line}: a core imports "${specifier}"; take what it gives as an argument, or move the code to io/`,
          ];
        });
      }),
  );
});

test("the dashboard takes types from the coordinator, and nothing that runs", () => {
  const home = "coordinator/src/dashboard/";
  const own = sources.filter(({ path }) => path.startsWith(home) && !isTest(path));
  expect(own.length).toBeGreaterThan(10);
  report(
    own.flatMap(({ path, code, imports }) =>
      imports.flatMap(({ line, specifier }) => {
        const target = isRelative(specifier) ? normalize(join(dirname(path), specifier)) : undefined;
        const isBrowsers = target?.startsWith(home) ?? BROWSER_LIBRARIES.has(libraryOf(specifier));
        const statement =
          code
            .slice(0, code.indexOf(`"${specifier}"`))
            .split(";")
            .at(-1) ?? "";
        const isSchemaType =
          target?.startsWith("coordinator/src/io/http/schemas/") === true &&
          /^\s*import type\b/.test(statement);
        if (isBrowsers || isSchemaType) return [];
        return [
          `${path}:${line}: the dashboard imports "${specifier}"; browsers get its own files and the types of the API's answers`,
        ];
      }),
    ),
  );
});

test("only the doors to the system load native code", () => {
  report(
    sources
      .filter(({ path }) => !FFI_FOLDERS.some((folder) => path.startsWith(folder)))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ specifier }) => specifier === "bun:ffi")
          .map(({ line }) => `${path}:${line}: imports bun:ffi; put it behind an interface in platform/`),
      ),
  );
});

test("cores have no clock, no dice and no timers", () => {
  const cores = sources.filter(({ path }) => isPure(path) || isDashboardModel(path));
  report(IMPURE.flatMap(([pattern, advice]) => findings(cores, ({ code }) => code, pattern, advice)));
});

test("every file opens by saying what it is for", () => {
  report(
    sources.flatMap(({ path, text }) => {
      const opening = text.replace(/^#![^\n]*\n/, "");
      const comment = /^\/\*\*([\s\S]*?)\*\//.exec(opening)?.[1]?.replace(/[\s*]/g, "") ?? "";
      if (comment.length >= 12) return [];
      return [`${path}:1: no purpose; open with /** what it is for, and what it leaves to others */`];
    }),
  );
});

test(`no file has more than ${FILE_LINES_MAX} lines`, () => {
  const lengths = sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  const long = lengths.filter(({ lines }) => lines > FILE_LINES_MAX);
  report([
    ...long
      .filter(({ path }) => !LONG_FILES.has(path))
      .map(
        ({ path, lines }) => `${path}:${FILE_LINES_MAX}: ${lines} lines; one algorithm, one file: split it`,
      ),
    ...[...LONG_FILES.keys()]
      .filter((path) => !long.some((other) => other.path === path))
      .map((path) => `${path}:1: not long any more; take it off LONG_FILES`),
  ]);
});

/** Values of `exports` and `bin`, at any depth of conditions, as paths from the root. */
function entriesOf(folder: string, { exports, bin }: Manifest): string[] {
  const leaves = (value: unknown): string[] => {
    if (typeof value === "string") return [value];
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(leaves) : [];
  };
  return [...leaves(exports), ...leaves(bin)].map((path) => normalize(join(folder, path)));
}

/** Files that code names in a string, as it does when it starts them as processes or workers. */
function filesNamedIn({ path, code }: Source): string[] {
  return [
    ...code.matchAll(/["'`](?:\.\/|\$\{import\.meta\.dir\}\/)?([\w.-]+(?:\/[\w.-]+)*\.(?:ts|html))["'`]/g),
  ].map(([, name = ""]) => normalize(join(dirname(path), name)));
}

/** All files that the given ones lead to by imports, processes, workers and pages' scripts; their own included. */
function reachableFrom(entries: readonly string[]): ReadonlySet<string> {
  const all = new Map([...sources, ...pages].map((source) => [source.path, source]));
  const doors = new Map(
    [...manifests].map(([folder, manifest]) => [manifest.name, entriesOf(folder, manifest)]),
  );
  const reached = new Set<string>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = all.get(path);
    if (source === undefined || reached.has(path)) continue;
    reached.add(path);
    queue.push(...filesNamedIn(source));
    for (const { specifier } of source.imports) {
      const isPath = isRelative(specifier) || path.endsWith(".html");
      if (isPath) queue.push(normalize(join(dirname(path), specifier)));
      else queue.push(...(doors.get(libraryOf(specifier)) ?? []));
    }
  }
  return reached;
}

test("no file in src/ is dead", () => {
  const products = [...manifests].filter(
    ([folder]) => folder !== "" && folder !== "tests/" && folder !== "infra/",
  );
  const entries = products.flatMap(([folder, manifest]) => entriesOf(folder, manifest));
  const reached = reachableFrom(entries);
  const reachedByTests = reachableFrom(sources.map(({ path }) => path).filter((path) => isTest(path)));
  report(
    products.flatMap(([folder, manifest]) => {
      const missing = entriesOf(folder, manifest).filter((path) => !existsSync(join(ROOT, path)));
      if (missing.length > 0) {
        console.log(
          `dead files of ${folder} not looked for: its entry ${missing.join(", ")} is not there yet`,
        );
        return [];
      }
      const own = sources.filter(({ path }) => path.startsWith(`${folder}src/`) && !isTest(path));
      return own.flatMap(({ path }) => {
        if (reached.has(path) || (isTestSupport(path) && reachedByTests.has(path))) return [];
        return [
          `${path}:1: nothing leads here from ${entriesOf(folder, manifest).join(", ")}; use it or delete it`,
        ];
      });
    }),
  );
});

test("nothing is left unfinished, and no type error is silenced", () => {
  report([
    ...findings(sources, ({ text }) => text, UNFINISHED, "do it now, or write down in docs/ why not"),
    ...findings(sources, ({ text }) => text, SILENCED_TYPES, "mend the type"),
    ...findings(sources, ({ code }) => code, ANY, "parse into a type, or use unknown"),
  ]);
});

test("relative imports name the file, ending and all", () => {
  report(
    sources.flatMap(({ path, imports }) =>
      imports
        .filter(
          ({ specifier }) => isRelative(specifier) && !/\.(?:tsx?|html|css|json|svg|txt)$/.test(specifier),
        )
        .map(({ line, specifier }) => `${path}:${line}: imports "${specifier}"; write the file's .ts`),
    ),
  );
});

function dependenciesOf(manifest: Manifest): [string, string][] {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest;
  return [dependencies, devDependencies, optionalDependencies, peerDependencies].flatMap((of) =>
    Object.entries(of ?? {}),
  );
}

test('dependencies have exact versions, our own packages "*"', () => {
  report(
    [...manifests].flatMap(([folder, manifest]) =>
      dependenciesOf(manifest).flatMap(([name, version]) => {
        const good = name.startsWith("@burrow/")
          ? version === "*"
          : /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version);
        return good ? [] : [`${folder}package.json:1: "${name}": "${version}"; give one exact version`];
      }),
    ),
  );
});

test("what a package imports, its package.json names", () => {
  const shared = manifests.get("");
  const root = new Set(shared === undefined ? [] : dependenciesOf(shared).map(([name]) => name));
  report(
    sources.flatMap(({ path, imports }) => {
      const own = packageOf(path);
      const manifest = manifests.get(`${own}/`);
      const named = new Set(manifest === undefined ? [] : dependenciesOf(manifest).map(([name]) => name));
      const mayUseRoot = isTestSupport(path) || own === "tests" || own === "infra";
      return imports.flatMap(({ line, specifier }) => {
        const library = libraryOf(specifier);
        // infra/ is no package: what it takes of ours is checked by who may import whom.
        const isOurs = library === `@burrow/${own}` || (own === "infra" && library.startsWith("@burrow/"));
        const known = isRelative(specifier) || isBuiltIn(specifier) || isOurs;
        const isNamed = named.has(library) || named.has(`@types/${library}`);
        if (known || isNamed || (mayUseRoot && root.has(library))) return [];
        return [`${path}:${line}: imports "${specifier}"; name ${library} in ${own}/package.json`];
      });
    }),
  );
});

test("README's table says why each dependency is there", () => {
  const readme = existsSync(join(ROOT, "README.md")) ? readFileSync(join(ROOT, "README.md"), "utf8") : "";
  const section = /^## Dependencies\b[\s\S]*?(?=^## |(?![\s\S]))/m.exec(readme)?.[0];
  if (section === undefined) {
    console.log('not checked: README.md has no "## Dependencies" section yet');
    return;
  }
  const external = new Map(
    [...manifests].flatMap(([folder, manifest]) =>
      dependenciesOf(manifest).map(([name]) => [name, folder] as const),
    ),
  );
  report(
    [...external]
      .filter(([name]) => !name.startsWith("@burrow/"))
      .filter(
        ([name]) => !section.split("\n").some((line) => line.startsWith("|") && line.includes(`\`${name}\``)),
      )
      .map(
        ([name, folder]) =>
          `${folder}package.json:1: ${name} is not in README.md's table of dependencies; say why`,
      ),
  );
});
