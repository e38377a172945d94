/** Terraform's own word: format, validity, the modules' tests on mock providers, and real plans with dummy keys. */
import { afterAll, describe, expect, test } from "bun:test";
import places from "../../infra/modules/relay/places.json" with { type: "json" };
import { infraFiles, skipped } from "./files.ts";
import { hasProvider, pluginDirectory, Terraform } from "./terraform.ts";

const TIMEOUT_MS = 180_000;
/** Debian does not package Terraform, nor its providers: where they are missing, nothing here could install them. */
const hasTerraform = Bun.which("terraform") !== null || skipped("Terraform", "terraform is not here", false);
const plugins = pluginDirectory();
const PROVIDERS = ["hashicorp/aws", "hashicorp/google", "hetznercloud/hcloud", "digitalocean/digitalocean"];
const missing = PROVIDERS.filter((source) => !hasProvider(plugins, source));
if (hasTerraform && missing.length > 0) {
  skipped(
    "validate and test of what needs these providers",
    `no ${missing.join(", ")} in ${plugins ?? "TF_PLUGIN_DIR or the usual folders"}; their files are parsed and their names checked`,
    false,
  );
}

/** Sources of the providers that a folder needs, by what it and its modules say. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  "infra/modules/relay": [],
  "infra/modules/coordinator": [],
  "infra/modules/aws-network": ["hashicorp/aws"],
  "infra/modules/aws-relay": ["hashicorp/aws"],
  "infra/modules/aws-coordinator": ["hashicorp/aws"],
  "infra/modules/gcp-relay": ["hashicorp/google"],
  "infra/modules/hetzner-relay": ["hetznercloud/hcloud"],
  "infra/modules/digitalocean-relay": ["digitalocean/digitalocean"],
  "infra/examples/coordinator": ["hashicorp/aws"],
  "infra/examples/twelve-regions": ["hashicorp/aws"],
  "infra/examples/three-clouds": ["hashicorp/aws", "hashicorp/google", "hetznercloud/hcloud"],
};
const folders = [
  ...new Set([...infraFiles("**/*.tf").keys()].map((path) => path.slice(0, path.lastIndexOf("/")))),
];
const withTests = new Set(
  [...infraFiles("**/*.tftest.hcl").keys()].map((path) => path.split("/tests/")[0] ?? ""),
);

test("every folder with Terraform files is looked at", () => {
  expect(folders.toSorted()).toEqual(Object.keys(NEEDS).toSorted());
});

const DUMMY = { url: "https://example.net/burrow.deb", sha256: "0".repeat(64) };
const TOKEN = "burrow_not-to-be-seen";

/** AWS is asked nothing: no keys are checked, no account, no region. */
function overrides(text: string): string {
  const aliases = [...text.matchAll(/^provider "aws" \{\n(?:\s+alias\s+= "(\w+)"\n)?/gm)].map(
    ([, alias]) => alias,
  );
  return aliases
    .map(
      (alias) => `provider "aws" {
  ${alias === undefined ? "" : `alias = "${alias}"`}
  access_key                  = "dummy"
  secret_key                  = "dummy"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
`,
    )
    .join("\n");
}

describe.skipIf(!hasTerraform)("terraform", () => {
  const terraform = new Terraform(plugins);
  afterAll(() => terraform.remove());
  const here = (folder: string) => (NEEDS[folder] ?? []).every((source) => hasProvider(plugins, source));

  test("fmt", async () => {
    expect(await terraform.run("infra", "fmt", "-check", "-diff", "-recursive")).toEqual({
      ok: true,
      output: "",
    });
  });

  // A plan, below, validates too.
  for (const folder of folders.filter((path) => here(path) && !path.includes("/examples/"))) {
    test(
      `validate ${folder}`,
      async () => {
        const init = await terraform.init(folder);
        expect(init.output).toContain("successfully initialized");
        const { output } = await terraform.run(folder, "validate");
        expect(output.trim()).toBe("Success! The configuration is valid.");
      },
      TIMEOUT_MS,
    );
  }

  for (const folder of [...withTests].filter(here)) {
    test(
      `test ${folder}`,
      async () => {
        const { ok, output } = await terraform.run(folder, "test");
        if (!ok) throw new Error(output);
        expect(output).toMatch(/Success! [1-9]\d* passed, 0 failed\./);
      },
      TIMEOUT_MS,
    );
  }

  const values = {
    "infra/examples/coordinator": {
      domain: "burrow.example.net",
      dns_zone_id: "Z0123456789ABC",
      ssh_cidrs: ["192.0.2.0/24"],
      ssh_authorized_keys: ["ssh-ed25519 AAAA operator"],
    },
    "infra/examples/twelve-regions": {
      coordinator_url: "https://burrow.example.net",
      relay_token: TOKEN,
      monitoring_cidrs: ["192.0.2.0/24", "2001:db8::/48"],
    },
  };
  for (const [folder, settings] of Object.entries(values).filter(([path]) => here(path))) {
    test(
      `plan ${folder} with dummy keys`,
      async () => {
        terraform.write(
          `${folder}/test_override.tf`,
          overrides(infraFiles("**/*.tf").get(`${folder}/main.tf`) ?? ""),
        );
        const all = { release: { arm64: DUMMY }, ...settings };
        terraform.write(`${folder}/test.auto.tfvars.json`, JSON.stringify(all));
        const init = await terraform.init(folder);
        const { ok, output } = await terraform.run(folder, "plan", "-input=false");
        if (!init.ok || !ok) throw new Error(init.output + output);
        console.log(`${folder}: ${/^Plan: .*$/m.exec(output)?.[0]}`);
        expect(output).toMatch(/^Plan: [1-9]\d* to add, 0 to change, 0 to destroy\.$/m);
        expect(output).not.toContain(TOKEN);
        if (folder.endsWith("twelve-regions")) {
          expect(output.match(/# module\.\w+\.aws_autoscaling_group\.relay will be created/g)).toHaveLength(
            12,
          );
        }
      },
      TIMEOUT_MS,
    );
  }

  test("Google's account names are short enough, and no two regions or prefixes share one", async () => {
    const text = infraFiles("modules/gcp-relay/main.tf").get("infra/modules/gcp-relay/main.tf") ?? "";
    const expression = /^ {2}account_id += (.*)$/m.exec(text)?.[1] ?? "";
    const prefixes = ["b", "burrow", "burrow-staging-1", "burrow-staging-2", "a--------------b"];
    const names = prefixes.flatMap((prefix) =>
      Object.keys(places.gcp).map((region) => `${prefix}-${region}`),
    );
    const made = await terraform.evaluate(
      `[for name in ${JSON.stringify(names)} : ${expression.replaceAll("local.full_name", "name")}]`,
    );
    expect(made).toBeArrayOfSize(names.length);
    expect(new Set(made as string[]).size).toBe(names.length);
    // As Google has them: 6 to 30 characters, the first a letter, the last no hyphen.
    for (const name of made as string[]) expect(name).toMatch(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
    expect(made).toContain("burrow-europe-west3");
  });

  test("an undeclared variable makes validate fail", async () => {
    const folder = "infra/modules/relay";
    terraform.write(`${folder}/typo.tf`, 'output "typo" {\n  value = var.cordinator_url\n}\n');
    const { ok, output } = await terraform.run(folder, "validate");
    terraform.write(`${folder}/typo.tf`, "");
    expect(ok).toBe(false);
    expect(output).toContain("undeclared");
  });
});
