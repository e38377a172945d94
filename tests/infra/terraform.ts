/** Terraform on a copy of infra/, so that nothing of it lands in the checkout; providers only from this machine. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { isProject, ROOT } from "./files.ts";

export interface Ran {
  readonly ok: boolean;
  readonly output: string;
}

/** Where a file-system mirror of providers may be: stated, or in the usual places. */
export function pluginDirectory(): string | undefined {
  const { TF_PLUGIN_DIR, HOME = "/root" } = process.env;
  const candidates = [
    ...(TF_PLUGIN_DIR === undefined ? [] : [TF_PLUGIN_DIR]),
    `${HOME}/.terraform.d/plugins`,
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    ...readdirSync("/opt").map((name) => `/opt/${name}`),
    "/",
  ];
  return candidates.find((path) => existsSync(join(path, "registry.terraform.io")));
}

export function hasProvider(directory: string | undefined, source: string): boolean {
  return directory !== undefined && existsSync(join(directory, "registry.terraform.io", source));
}

export class Terraform {
  readonly root = mkdtempSync(join(tmpdir(), "burrow-terraform-"));
  readonly #plugins: string | undefined;

  constructor(plugins: string | undefined) {
    this.#plugins = plugins;
    const filter = (path: string) => isProject(relative(ROOT, path));
    cpSync(join(ROOT, "infra"), join(this.root, "infra"), { recursive: true, filter });
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.root, path), text);
  }

  init(folder: string): Promise<Ran> {
    const plugins = this.#plugins === undefined ? [] : [`-plugin-dir=${this.#plugins}`];
    return this.run(folder, "init", "-backend=false", "-input=false", ...plugins);
  }

  async run(folder: string, ...args: string[]): Promise<Ran> {
    const child = Bun.spawn(["terraform", ...args, ...(args[0] === "fmt" ? [] : ["-no-color"])], {
      cwd: join(this.root, folder),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // No settings of this user, and nothing asked of the makers of Terraform.
      env: {
        ...process.env,
        TF_CLI_CONFIG_FILE: "/dev/null",
        CHECKPOINT_DISABLE: "1",
        TF_IN_AUTOMATION: "1",
      },
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { ok: (await child.exited) === 0, output: out + err };
  }

  /** The user data that a module renders, as `terraform apply` has it. The module must need no provider. */
  async userData(
    module: "relay" | "coordinator",
    settings: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    return await this.#valueOf({
      module: { it: { source: `../modules/${module}`, ...settings } },
      output: { value: { value: reference("module.it.user_data"), sensitive: true } },
    });
  }

  /** What an expression comes to that names nothing outside it, as JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const value = reference(`jsonencode(${expression})`);
    return JSON.parse(await this.#valueOf({ output: { value: { value } } }));
  }

  /** The output `value` of a root module that needs no provider. */
  async #valueOf(root: object): Promise<string> {
    const folder = `infra/${crypto.randomUUID()}`;
    mkdirSync(join(this.root, folder));
    this.write(`${folder}/main.tf.json`, JSON.stringify(root));
    const runs = [await this.init(folder), await this.run(folder, "apply", "-auto-approve")];
    const { ok, output } = await this.run(folder, "output", "-raw", "value");
    if (!ok || !runs.every((run) => run.ok)) throw new Error(runs.map((run) => run.output).join("") + output);
    return output;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

const reference = (name: string): string => `$\{${name}}`;
