/** The variables of shell scripts: those that are used and never set, and those that are set and never used. */

/** Set by others than the script: the shell, the service manager, and whoever runs the command of a documentation. */
const FROM_OUTSIDE = new Set(["RUNTIME_DIRECTORY", "HOME", "PATH"]);
const NAME = "[A-Za-z_][A-Za-z0-9_]*";

export interface ShellNames {
  readonly used: ReadonlySet<string>;
  readonly set: ReadonlySet<string>;
}

export function shellNames(script: string): ShellNames {
  // What a trap will run is quoted, and this script's all the same.
  const text = withoutProse(script.replace(/\btrap '([^']*)'/g, "trap $1"));
  const used = namesAfter(text, new RegExp(`\\$\\{?(${NAME})`, "g"));
  for (const [, sum = ""] of text.matchAll(/\$\(\(([^()]*(?:\$\{[^}]*\}[^()]*)*)\)\)/g))
    for (const name of namesAfter(sum, new RegExp(`(?<![\\w$])(${NAME})`, "g"))) used.add(name);
  const set = namesAfter(
    text,
    new RegExp(`(?:^|[;&|(]|\\b(?:do|then|else|export|until|while|if))[ \\t]*(${NAME})=`, "gm"),
  );
  for (const name of namesAfter(text, new RegExp(`\\bfor (${NAME}) in\\b`, "g"))) set.add(name);
  for (const [, names = ""] of text.matchAll(/\bread((?: -\w+(?: "[^"]*")?| [A-Za-z_]\w*)+)/g))
    for (const name of namesAfter(names.replace(/"[^"]*"/g, ""), new RegExp(`(?<=[ ])(${NAME})`, "g")))
      set.add(name);
  return { used, set };
}

/** `environment`: what is set outside the scripts, and what is read there. */
export function checkShell(path: string, script: string, environment: ReadonlySet<string>): string[] {
  const { used, set } = shellNames(script);
  const outside = (name: string) => FROM_OUTSIDE.has(name) || environment.has(name);
  return [
    ...[...used]
      .filter((name) => !set.has(name) && !outside(name))
      .map((name) => `${path}: nobody sets $${name}`),
    ...[...set]
      .filter((name) => !used.has(name) && !outside(name))
      .map((name) => `${path}: nobody uses ${name}`),
  ];
}

function namesAfter(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map(([, name = ""]) => name));
}

/** Without comments and without what single quotes protect, which is another language's. */
function withoutProse(script: string): string {
  let out = "";
  let quote = "";
  for (let i = 0; i < script.length; i++) {
    const char = script[i] ?? "";
    if (char === "\\") {
      i++;
      continue;
    }
    if (quote === "'") {
      if (char === "'") quote = "";
      continue;
    }
    if (char === "'" && quote === "") quote = "'";
    else if (char === '"') quote = quote === "" ? '"' : "";
    else if (char === "#" && quote === "" && /(?:^|[\s;])$/.test(script.slice(0, i))) {
      while (i + 1 < script.length && script[i + 1] !== "\n") i++;
      continue;
    }
    out += char === "'" ? " " : char;
  }
  return out;
}
