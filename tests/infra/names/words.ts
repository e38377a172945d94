/**
 * Names that one file writes and another reads: environment variables, paths below Burrow's folders, units. Each must be
 * known to both sides; a path or a unit that is named once only is written and never read, or the other way round.
 */

/** Other programs' variables and constants that files under infra/ and the deployment guide name, and whose they are. */
const FOREIGN = new Set([
  ...["DEBIAN_FRONTEND", "XDG_STATE_HOME", "RUNTIME_DIRECTORY", "TF_PLUGIN_DIR"],
  // Read by Terraform's providers.
  ...["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HCLOUD_TOKEN", "DIGITALOCEAN_TOKEN"],
  "GOOGLE_APPLICATION_CREDENTIALS",
  // The kernel's.
  ...["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"],
  ...["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET"],
  // Values of the clouds' own.
  ...["IPV4_IPV6", "EC2_INSTANCE_LAUNCHING"],
]);
const SYSCTLS = new Set(["net.core.rmem_max", "net.core.wmem_max", "net.core.netdev_max_backlog"]);

const WORD = /(?<![A-Za-z0-9_])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![A-Za-z0-9_…])/g;
const PATH =
  /\/(?:etc\/burrow|usr\/lib\/burrow|usr\/local\/sbin|usr\/local\/share\/burrow|run\/burrow-[a-z]+|var\/lib\/burrow-[a-z-]+)\/[\w.-]*\w/g;
const UNIT = /\bburrow-[a-z-]+\.(?:service|timer)\b/g;

/** Escapes as the line breaks they stand for: the name behind `\n` begins a line. */
const lines = (text: string): string => text.replaceAll("\\n", "\n");

export const wordsIn = (text: string): string[] => [...lines(text).matchAll(WORD)].map(([word]) => word);

/** `own`: names that a file itself sets, so that they need not be known to others. */
export function checkWords(
  files: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
  own: (path: string, text: string) => ReadonlySet<string>,
): string[] {
  return [...files].flatMap(([path, text]) => {
    const ours = own(path, text);
    return wordsIn(text)
      .filter((word) => !known.has(word) && !FOREIGN.has(word) && !ours.has(word))
      .map((word) => `${path}: nobody knows ${word}`);
  });
}

export function checkPaths(files: ReadonlyMap<string, string>): string[] {
  const places = new Map<string, string[]>();
  for (const [file, text] of files)
    for (const [path] of lines(text).matchAll(PATH)) places.set(path, [...(places.get(path) ?? []), file]);
  return [...places]
    .filter(([, named]) => named.length === 1)
    .map(([path, [file]]) => `${file}: only here is ${path} named`);
}

export function checkUnits(files: ReadonlyMap<string, string>): string[] {
  const units = new Set([...files.keys()].map((path) => path.split("/").at(-1) ?? ""));
  return [...files].flatMap(([path, text]) =>
    [...lines(text).matchAll(UNIT)]
      .filter(([unit]) => !units.has(unit))
      .map(([unit]) => `${path}: there is no ${unit}`),
  );
}

/** A unit's own credentials, and a sysctl file's keys. */
export function checkUnitNames(path: string, text: string): string[] {
  const loaded = new Set([...text.matchAll(/^LoadCredential=(\w+):/gm)].map(([, name]) => name));
  const used = new Set([...text.matchAll(/%d\/(\w+)/g)].map(([, name]) => name));
  const sysctls = [...text.matchAll(/^(net\.[\w.]+)\s*=/gm)].map(([, name = ""]) => name);
  return [
    ...[...used].filter((name) => !loaded.has(name)).map((name) => `${path}: nobody loads %d/${name}`),
    ...[...loaded].filter((name) => !used.has(name)).map((name) => `${path}: nobody reads %d/${name}`),
    ...sysctls.filter((name) => !SYSCTLS.has(name)).map((name) => `${path}: there is no ${name}`),
  ];
}

/** Arguments and variables of a Containerfile; `read` says whether the command or its libraries read a variable. */
export function checkContainerfile(path: string, text: string, read: (name: string) => boolean): string[] {
  const code = text.replace(/^#.*$/gm, "");
  const given = [...text.matchAll(/--build-arg (\w+)=/g)].map(([, name = ""]) => name);
  const args = [...code.matchAll(/^ARG (\w+)/gm)].map(([, name = ""]) => name);
  const env = [...code.matchAll(/^ENV (\w+)=/gm)].map(([, name = ""]) => name);
  const used = [...code.matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name = ""]) => name);
  return [
    ...used
      .filter((name) => !args.includes(name) && !env.includes(name))
      .map((name) => `${path}: nobody sets ${name}`),
    ...args.filter((name) => !used.includes(name)).map((name) => `${path}: nobody uses ${name}`),
    ...given.filter((name) => !args.includes(name)).map((name) => `${path}: there is no argument ${name}`),
    ...env.filter((name) => !read(name)).map((name) => `${path}: nobody reads ${name}`),
  ];
}
