/** Typos to try on the checker of names: each name that stands in a file, once for each way of using it. */

interface Typo {
  readonly found: string;
  /** The file's text with the name misspelt there. */
  readonly broken: string;
}

/** What is a name in which files; the group is the name. Terraform's own names are tried elsewhere. */
const NAMES: readonly (readonly [files: RegExp, names: readonly RegExp[]])[] = [
  [
    /\.(?!ts$)\w+$|\/\w+$/,
    [
      /(?:\\n|(?<![A-Za-z0-9_]))(BURROW_[A-Z0-9_]+)(?![A-Za-z0-9_…])/g,
      /(\/(?:etc\/burrow|usr\/lib\/burrow|usr\/local\/sbin)\/[\w.-]*\w)/g,
    ],
  ],
  [
    /\.(?:service|timer)$/,
    [
      /%d\/(\w+)/g,
      /LoadCredential=(\w+)/g,
      /(?:EnvironmentFile=-?|ExecStart=|ExecStartPre=)(\/(?:etc|usr\/lib|run)\/burrow\S*\w)/g,
      /\b(CAP_\w+|AF_\w+)/g,
      /\b(burrow-\w+)\.service/g,
    ],
  ],
  [/sysctl\.conf$/, [/^(net[\w.]+)/gm]],
  [
    /^infra\/lib\/(?!forget)|\.sh(?:\.tftpl)?$/,
    [/\$(?:\{(?=[A-Z]))?([A-Za-z_]\w*)/g, /^\s*([a-z_]\w*)=(?!.*--)/gm, /\bfor (\w+) in/g],
  ],
  [
    /^infra\/lib\/forget$/,
    [
      /\b(STATE|DAYS|DAY_MS|access|request|opener|answer|relay|gone_ms)\b/g,
      /\b(json|os|sys|time)\./g,
      /\b(?:json|os|sys|time)\.(\w+)/g,
    ],
  ],
  [/token-command/, [/import (\w+)/g, /print\((\w+)\./g, /(sys)\.stdin/g, /json\.(\w+)/g]],
  [/Containerfile$/, [/--build-arg (\w+)/g, /^ARG (\w+)/gm, /\$\{(\w+)/g, /^ENV (\w+)/gm]],
  [
    /\.tftest\.hcl$/,
    [
      /\bvar\.(\w+)/g,
      /\boutput\.(\w+)/g,
      /\b(?:aws_\w+)\.(\w+)/g,
      /mock_resource "(\w+)"/g,
      /^ {2,4}(?!a[rm][md]64)(\w+) += (?!\[\n)/gm,
    ],
  ],
  [
    /\.md$/,
    [
      /`([a-z]+(?:_[a-z]+)+)`/g,
      /terraform output (\w+)/g,
      /TF_VAR_(\w+)/g,
      /\$(module)/g,
      /module\.\w+\.hcloud_server\.(\w+)/g,
    ],
  ],
  [
    /deploy\.md$/,
    [
      /^([a-z_]+) +=/gm,
      /\b(url|sha256) = /g,
      /\b(arm64|amd64) = /g,
      /"(cloud|at|relays|regions)":/g,
      /\/(agent\.(?:env|token))/g,
    ],
  ],
  [/modules\/.*README\.md$/, [/^ {2}(\w+) += /gm, /= var\.(\w+)/g, /aws\.(\w+)/g]],
  [/regions\.json$/, [/"(\w+)":/g]],
];

export function typosIn(path: string, text: string): Typo[] {
  const patterns = NAMES.filter(([files]) => files.test(path)).flatMap(([, names]) => names);
  return patterns.flatMap((pattern) => {
    const found = new Map([...text.matchAll(pattern)].reverse().map((match) => [match[0], match]));
    return [...found.values()]
      .filter(({ index }) => !isProse(text, index))
      .map((match) => ({ found: match[0], broken: misspell(text, match) }));
  });
}

function misspell(text: string, match: RegExpExecArray): string {
  const [found, name = ""] = match;
  const at = match.index + found.lastIndexOf(name) + name.length;
  return `${text.slice(0, at)}${/^[A-Z0-9_]+$/.test(name) ? "X" : "x"}${text.slice(at)}`;
}

/** Comments may say $name as they like; only what is Burrow's is looked for in them too. */
const isProse = (text: string, at: number): boolean =>
  /^\s*# /.test(text.slice(text.lastIndexOf("\n", at) + 1, at)) && text[at] === "$";
