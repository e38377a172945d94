/** Network namespaces for tests: made under names of their own, removed whatever happens. */

function run(command: readonly string[]): string {
  const result = Bun.spawnSync([...command], { stdout: "pipe", stderr: "pipe" });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString().trim()}`);
  return result.stdout.toString();
}

export type Namespace = string & { readonly __brand: "Namespace" };

/** Runs a command in a namespace to its end; its standard output. Throws what it says when it fails. */
export function inNamespace(namespace: Namespace, ...command: string[]): string {
  return run(["ip", "netns", "exec", namespace, ...command]);
}

/** Makes one namespace per label, loopback up. */
export async function withNamespaces<const Labels extends readonly string[]>(
  labels: Labels,
  body: (namespaces: { readonly [K in keyof Labels]: Namespace }) => Promise<void> | void,
): Promise<void> {
  const made: Namespace[] = [];
  try {
    for (const label of labels) {
      const name = `burrow-${label}-${process.pid}-${Math.random().toString(36).slice(2, 6)}` as Namespace;
      run(["ip", "netns", "add", name]);
      made.push(name);
      inNamespace(name, "ip", "link", "set", "lo", "up");
    }
    await body(made as unknown as { readonly [K in keyof Labels]: Namespace });
  } finally {
    for (const name of made) run(["ip", "netns", "del", name]);
  }
}
