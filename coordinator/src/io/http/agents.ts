/** Agents, their paths, and taking one out: for operators. */
import { agentId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { type Api, noSuch } from "./endpoint.ts";
import { pageOf } from "./page.ts";
import type { HttpParts } from "./parts.ts";
import { agentView as agentSchema, pathView as pathSchema } from "./schemas/agent.ts";
import { atMs, idParams, idText, PAGE_HEADERS, pageQuery } from "./schemas/fields.ts";
import { agentView, pathView } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);
const group = "Agents";
const path = "/v1/agents";

const ENDPOINTS = {
  list: {
    method: "get",
    path,
    name: "listAgents",
    group,
    summary: "All agents of all networks",
    access: "operators",
    query: pageQuery,
    answer: { status: 200, description: "By id", schema: z.array(agentSchema), headers: PAGE_HEADERS },
  },
  read: {
    method: "get",
    path: `${path}/{id}`,
    name: "readAgent",
    group,
    summary: "One agent",
    access: "operators",
    params: idParams,
    answer: { status: 200, description: "As it is now", schema: agentSchema },
  },
  paths: {
    method: "get",
    path: `${path}/{id}/paths`,
    name: "listPaths",
    group,
    summary: "How this agent reaches its peers, and why so",
    access: "operators",
    params: idParams,
    query: pageQuery,
    answer: {
      status: 200,
      description: "By the peer's id",
      schema: z.array(pathSchema),
      headers: PAGE_HEADERS,
    },
  },
  revoke: {
    method: "delete",
    path: `${path}/{id}`,
    name: "revokeAgent",
    group,
    summary: "Take it out; its key is not accepted any more",
    access: "operators",
    params: idParams,
    answer: {
      status: 200,
      description: "It is out",
      schema: z.object({ id: idText, name: z.string(), revokedAtMs: atMs }),
    },
  },
} as const;

export function addAgents(api: Api, { shell, store, channel, networkName }: HttpParts): void {
  const { mesh } = shell;
  api.add(ENDPOINTS.list, ({ query }) => {
    const { items, headers } = pageOf(path, mesh.agents.all(), ({ record }) => record.id, query);
    const body = items.map((entry) => agentView(mesh, networkName(entry.record.network), entry));
    return { body, headers };
  });
  api.add(ENDPOINTS.read, ({ context }) => {
    const id = agentId.safeParse(context.req.param("id"));
    const entry = id.success ? mesh.agents.get(id.data) : undefined;
    if (entry === undefined) return noSuch("agent");
    return { body: agentView(mesh, networkName(entry.record.network), entry) };
  });
  api.add(ENDPOINTS.paths, ({ context, query }) => {
    const id = agentId.safeParse(context.req.param("id"));
    const entry = id.success ? mesh.agents.get(id.data) : undefined;
    if (entry === undefined) return noSuch("agent");
    const { items, headers } = pageOf(
      `${path}/${entry.record.id}/paths`,
      entry.paths,
      ({ peer }) => peer,
      query,
    );
    return { body: items.map((of) => pathView(mesh, of)), headers };
  });
  api.add(ENDPOINTS.revoke, async ({ context }) => {
    const id = agentId.safeParse(context.req.param("id"));
    if (!id.success) return noSuch("agent");
    const revoked = await store.revokeAgent(id.data, shell.unixNow, (record) => {
      if (record === undefined) return;
      channel.endAgent(record.id);
      shell.run((of, now) => of.agentRevoked(record, now));
    });
    if (revoked === undefined) return noSuch("agent");
    log.info("an operator revoked agent {agent} ({name})", { agent: revoked.id, name: revoked.name });
    const { name, revokedAtMs } = revoked;
    return { body: { id: revoked.id, name, revokedAtMs: revokedAtMs ?? shell.unixNow } };
  });
}
