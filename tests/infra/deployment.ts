/** What a relay meets outside its machine: a coordinator, and a server that has the package. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianPackage } from "../../infra/build/debian.ts";
import type { Target } from "../../infra/build/targets.ts";
import packageJson from "../../package.json" with { type: "json" };
import { inNamespace, type Namespace } from "../../platform/src/testing/namespaces.ts";
import { ROOT } from "./files.ts";
import { until } from "./machine.ts";
import { Terraform } from "./terraform.ts";

export const COORDINATOR = "192.0.2.1";

interface RelayView {
  readonly id: string;
  readonly region: string;
  readonly state: string;
  readonly endpoints: readonly string[];
  readonly at?: { readonly lat: number; readonly lon: number };
}

export class Deployment {
  readonly #work: string;
  readonly #executable: string;
  readonly #namespace: Namespace;
  readonly #children: Bun.Subprocess[] = [];

  constructor(work: string, executable: string, namespace: Namespace) {
    this.#work = work;
    this.#executable = executable;
    this.#namespace = namespace;
  }

  get #state(): string {
    return join(this.#work, "coordinator");
  }

  async start(): Promise<void> {
    mkdirSync(join(this.#work, "www"));
    this.#spawn(this.#executable, "coordinator", "--listen", `${COORDINATOR}:8080`, "--state", this.#state);
    // The first machine that asks gets a package that was cut off.
    const serve = `const first = new Set();
      Bun.serve({ hostname: ${JSON.stringify(COORDINATOR)}, port: 8000,
        fetch({ url }) {
          const file = Bun.file(${JSON.stringify(join(this.#work, "www"))} + new URL(url).pathname);
          if (first.has(url)) return new Response(file);
          first.add(url);
          return new Response(file.slice(0, 100_000));
        } })`;
    this.#spawn(process.execPath, "-e", serve);
    await until("the coordinator", 20_000, () =>
      inNamespace(this.#namespace, "curl", "--silent", "--fail", `http://${COORDINATOR}:8080/readyz`),
    );
  }

  #spawn(...command: string[]): void {
    const child = Bun.spawn(["ip", "netns", "exec", this.#namespace, ...command], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    this.#children.push(child);
  }

  token(role: "relay" | "agent"): string {
    const command = [this.#executable, "token", "create", "--for", role, "--state", this.#state];
    return inNamespace(this.#namespace, ...command).trim();
  }

  /** Where the package is and what it must be; puts it there. */
  #release(own: Target) {
    const deb = debianPackage(own, packageJson.version, readFileSync(this.#executable));
    writeFileSync(join(this.#work, "www/burrow.deb"), deb);
    const sha256 = createHash("sha256").update(deb).digest("hex");
    return { [own.debian]: { url: `http://${COORDINATOR}:8000/burrow.deb`, sha256 } };
  }

  /** A coordinator's machine, as `terraform apply` renders it: for a private network, without a domain. */
  async coordinatorUserData(own: Target): Promise<string> {
    const terraform = new Terraform(undefined);
    try {
      return await terraform.userData("coordinator", { release: this.#release(own) });
    } finally {
      terraform.remove();
    }
  }

  /** A relay's machine, as `terraform apply` renders it. */
  async userData(own: Target): Promise<string> {
    const terraform = new Terraform(undefined);
    try {
      return await terraform.userData("relay", {
        coordinator_url: `http://${COORDINATOR}:8080`,
        region: "falkenstein",
        cloud: "hetzner",
        cloud_region: "fsn1",
        token: this.token("relay"),
        // As an instance group is told, here in a file.
        ready_command: "date +%s >/run/told-ready",
        release: this.#release(own),
      });
    } finally {
      terraform.remove();
    }
  }

  /** As the coordinator's timer does once a day, but impatiently. */
  forget(): void {
    const env = [`BURROW_STATE=${this.#state}`, "BURROW_FORGET_DAYS=0"];
    inNamespace(this.#namespace, "env", ...env, "python3", join(ROOT, "infra/lib/forget"));
  }

  relays(): readonly RelayView[] {
    return JSON.parse(
      inNamespace(this.#namespace, "curl", "--silent", `http://${COORDINATOR}:8080/v1/relays`),
    );
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map((child) => child.exited));
    rmSync(join(this.#work, "www"), { recursive: true, force: true });
  }
}
