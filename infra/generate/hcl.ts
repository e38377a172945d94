/** Regions as Terraform: one provider alias and one module block each. The layout is that of `terraform fmt`. */
import type { Cloud, Region } from "./regions.ts";

interface CloudFacts {
  readonly provider: string;
  readonly source: string;
  readonly version: string;
  /** Whether each region needs a provider of its own. */
  readonly perRegion: boolean;
  /** The module's variables for the place and the kind of machine. */
  readonly placeVariable: string;
  readonly machineVariable: string;
  /** Where the cloud keeps secrets, the token never reaches the state. */
  readonly keepsSecrets: boolean;
  readonly providerArguments: readonly (readonly [string, string])[];
}

const FACTS: Readonly<Record<Cloud, CloudFacts>> = {
  aws: {
    provider: "aws",
    source: "hashicorp/aws",
    version: ">= 5.90.0, < 6.0.0",
    perRegion: true,
    placeVariable: "aws_region",
    machineVariable: "instance_type",
    keepsSecrets: true,
    providerArguments: [],
  },
  gcp: {
    provider: "google",
    source: "hashicorp/google",
    version: ">= 6.30.0, < 8.0.0",
    perRegion: false,
    placeVariable: "gcp_region",
    machineVariable: "machine_type",
    keepsSecrets: true,
    providerArguments: [["project", "var.gcp_project"]],
  },
  hetzner: {
    provider: "hcloud",
    source: "hetznercloud/hcloud",
    version: ">= 1.54.0, < 2.0.0",
    perRegion: false,
    placeVariable: "location",
    machineVariable: "server_type",
    keepsSecrets: false,
    providerArguments: [],
  },
  digitalocean: {
    provider: "digitalocean",
    source: "digitalocean/digitalocean",
    version: ">= 2.40.0, < 3.0.0",
    perRegion: false,
    placeVariable: "do_region",
    machineVariable: "size",
    keepsSecrets: false,
    providerArguments: [],
  },
};

export function mainFile(regions: readonly Region[], modules: string): string {
  const clouds = [...new Set(regions.map(({ cloud }) => cloud))];
  return [
    "# Made by infra/generate.ts from the regions file beside it; change that, not this.\n",
    terraformBlock(clouds),
    ...variables(clouds),
    ...clouds.flatMap((cloud) => providers(cloud, regions)),
    ...regions.map((region) => moduleBlock(region, modules)),
    outputBlock(regions),
  ].join("\n");
}

function terraformBlock(clouds: readonly Cloud[]): string {
  const required = clouds.map((cloud) => {
    const { provider, source, version } = FACTS[cloud];
    return `    ${provider} = {\n      source  = "${source}"\n      version = "${version}"\n    }\n`;
  });
  return `terraform {\n  required_version = ">= 1.11.0, < 2.0.0"\n\n  required_providers {\n${required.join("")}  }\n}\n`;
}

function variables(clouds: readonly Cloud[]): string[] {
  const made = [
    variable("coordinator_url", "string", "Where the coordinator is, as relays reach it."),
    `variable "release" {
  description = "The Debian packages made by \`bun run build\`, by architecture: where they can be downloaded, and their SHA-256."
  type = map(object({
    url    = string
    sha256 = string
  }))
}
`,
    listVariable("monitoring_cidrs", "From where health and metrics may be read."),
    listVariable("ssh_cidrs", "From where SSH is let in."),
    listVariable("ssh_authorized_keys", "Public keys that may log in to the machines."),
  ];
  if (clouds.some((cloud) => FACTS[cloud].keepsSecrets)) {
    made.push(
      variable(
        "relay_token",
        "string",
        "Relay enrolment token for clouds that keep secrets; never in the state.",
        [
          ["ephemeral", "true"],
          ["sensitive", "true"],
        ],
      ),
      variable("relay_token_version", "number", "Count it up whenever relay_token is another one.", [
        ["default", "1"],
      ]),
    );
  }
  if (clouds.some((cloud) => !FACTS[cloud].keepsSecrets)) {
    made.push(
      variable(
        "relay_token_in_state",
        "string",
        "Relay enrolment token for clouds that keep no secrets: another one, with few uses.",
        [["sensitive", "true"]],
      ),
    );
  }
  if (clouds.includes("gcp")) made.push(variable("gcp_project", "string", "Google Cloud's project."));
  return made;
}

function variable(
  name: string,
  type: string,
  description: string,
  more: readonly (readonly [string, string])[] = [],
): string {
  return `variable "${name}" {\n${assignments([["description", `"${description}"`], ["type", type], ...more], "  ")}}\n`;
}

function listVariable(name: string, description: string): string {
  return variable(name, "list(string)", description, [["default", "[]"]]);
}

function providers(cloud: Cloud, regions: readonly Region[]): string[] {
  const { provider, perRegion, providerArguments } = FACTS[cloud];
  if (!perRegion)
    return [
      `provider "${provider}" {${providerArguments.length === 0 ? "}\n" : `\n${assignments(providerArguments, "  ")}}\n`}`,
    ];
  return regions
    .filter((region) => region.cloud === cloud)
    .map(
      ({ at }) =>
        `provider "${provider}" {\n${assignments(
          [
            ["alias", `"${identifier(at)}"`],
            ["region", `"${at}"`],
          ],
          "  ",
        )}}\n`,
    );
}

function moduleBlock(region: Region, modules: string): string {
  const { cloud, at, relays, machine, architecture, zones } = region;
  const { provider, perRegion, placeVariable, machineVariable, keepsSecrets } = FACTS[cloud];
  const argumentsOf: (readonly [string, string])[] = [
    [placeVariable, quote(at)],
    ...(region.region === undefined ? [] : [["region", quote(region.region)] as const]),
    ["relays", String(relays)],
    ...(machine === undefined ? [] : [[machineVariable, quote(machine)] as const]),
    ...(architecture === undefined ? [] : [["architecture", quote(architecture)] as const]),
    ...(zones === undefined ? [] : [["zones", `[${zones.map(quote).join(", ")}]`] as const]),
    ["coordinator_url", "var.coordinator_url"],
    ["release", "var.release"],
    ...(keepsSecrets
      ? ([
          ["relay_token", "var.relay_token"],
          ["relay_token_version", "var.relay_token_version"],
        ] as const)
      : ([["relay_token", "var.relay_token_in_state"]] as const)),
    ["monitoring_cidrs", "var.monitoring_cidrs"],
    ["ssh_cidrs", "var.ssh_cidrs"],
    ["ssh_authorized_keys", "var.ssh_authorized_keys"],
  ];
  const providerLine = perRegion ? `  providers = { ${provider} = ${provider}.${identifier(at)} }\n` : "";
  return `module "${moduleName(region)}" {\n  source    = "${modules}/${cloud}-relay"\n${providerLine}\n${assignments(argumentsOf, "  ")}}\n`.replace(
    providerLine === "" ? "  source    =" : "",
    providerLine === "" ? "  source =" : "",
  );
}

function outputBlock(regions: readonly Region[]): string {
  const entries = regions.map(
    (region) => [moduleName(region), `module.${moduleName(region)}.monitoring`] as const,
  );
  return `output "monitoring" {\n  description = "Where each region's health and metrics are found."\n  value = {\n${assignments(entries, "    ")}  }\n}\n`;
}

/** `name = value`, one a line, with the equal signs below each other as `terraform fmt` has them. */
function assignments(pairs: readonly (readonly [string, string])[], indent: string): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${indent}${name.padEnd(width)} = ${value}\n`).join("");
}

const quote = (text: string): string => `"${text}"`;
const identifier = (at: string): string => at.replaceAll("-", "_");
const moduleName = ({ cloud, at }: Region): string => `${cloud}_${identifier(at)}`;
