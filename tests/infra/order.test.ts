/** In which order resources come and go, by what refers to what: the same for every cloud, provider at hand or not. */
import { expect, test } from "bun:test";
import { infraFiles } from "./files.ts";
import { type Blocks, bodyOf } from "./hcl/folder.ts";
import { parse } from "./hcl/parser.ts";

interface Graph {
  readonly resources: ReadonlyMap<string, Blocks>;
  /** What each resource, local value and module call refers to. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
}

async function graphOf(folder: string): Promise<Graph> {
  const resources = new Map<string, Blocks>();
  const bodies = new Map<string, unknown>();
  for (const [path, text] of infraFiles(`${folder}/*.tf`)) {
    const { resource = {}, locals = [], module = {} } = (await parse(path, text)) as Record<string, Blocks>;
    for (const [type, named] of Object.entries(resource))
      for (const [name, body] of Object.entries(named as Blocks))
        resources.set(`${type}.${name}`, bodyOf(body));
    for (const group of Object.values(locals))
      for (const [name, value] of Object.entries(group as Blocks)) bodies.set(`local.${name}`, value);
    for (const [name, body] of Object.entries(module)) bodies.set(`module.${name}`, body);
  }
  for (const [name, body] of resources) bodies.set(name, body);
  const refersTo = (body: unknown, name: string) =>
    new RegExp(`(?<![\\w.])${name.replace(".", "\\.")}(?!\\w)`).test(JSON.stringify(body));
  const needs = new Map(
    [...bodies].map(([name, body]) => [
      name,
      [...bodies.keys()].filter((other) => other !== name && refersTo(body, other)),
    ]),
  );
  return { resources, needs };
}

/** All that a resource needs, directly or through others: made before it, and gone only after it. */
function allNeeds({ needs }: Graph, of: string): ReadonlySet<string> {
  const found = new Set<string>();
  const rest = [of];
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    const further = (needs.get(name) ?? []).filter((need) => !found.has(need));
    for (const need of further) found.add(need);
    rest.push(...further);
  }
  return found;
}

/** The machines of each module, and what is made from them: all else must be there while they live. */
const MACHINES: Readonly<Record<string, { readonly machine: string; readonly after: readonly string[] }>> = {
  "aws-relay": { machine: "aws_autoscaling_group.relay", after: [] },
  "gcp-relay": { machine: "google_compute_region_instance_group_manager.relay", after: [] },
  "hetzner-relay": {
    machine: "hcloud_server.relay",
    after: ["hcloud_zone_rrset.ipv4", "hcloud_zone_rrset.ipv6"],
  },
  "digitalocean-relay": {
    machine: "digitalocean_droplet.relay",
    after: ["digitalocean_record.ipv4", "digitalocean_record.ipv6"],
  },
  "aws-coordinator": {
    machine: "aws_instance.coordinator",
    after: ["aws_route53_record.coordinator", "aws_volume_attachment.state"],
  },
};

for (const [module, { machine, after }] of Object.entries(MACHINES)) {
  test(`${module}: machines come after their firewall and rights, and go before them, so that they drain`, async () => {
    const graph = await graphOf(`modules/${module}`);
    expect([...graph.resources.keys()]).toContain(machine);
    const needed = allNeeds(graph, machine);
    const others = [...graph.resources.keys()].filter((name) => name !== machine && !needed.has(name));
    expect(others.toSorted()).toEqual(after.toSorted());
  });
}

for (const module of ["hetzner-relay", "digitalocean-relay"]) {
  test(`${module}: where there are no groups, no change of user data ends all machines at once`, async () => {
    const { resources } = await graphOf(`modules/${module}`);
    const { lifecycle = [] } = resources.get(MACHINES[module]?.machine ?? "") ?? {};
    expect(bodyOf(lifecycle)).toEqual({ ignore_changes: [`$\{user_data}`] });
  });
}

test("the coordinator's addresses do not go with its machine", async () => {
  const graph = await graphOf("modules/aws-coordinator");
  const needed = allNeeds(graph, "aws_route53_record.coordinator");
  expect([...needed]).toContain("aws_network_interface.coordinator");
  expect([...needed]).not.toContain("aws_instance.coordinator");
});
