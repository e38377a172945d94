/** Agents, their paths, and taking one out: for operators. */
import { agentId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Hono } from "hono";
import type { HttpEnv, HttpParts } from "./app.ts";
import { operatorsOnly } from "./operators-only.ts";
import { noSuch } from "./requests.ts";
import { agentView, pathViews } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

export function addAgents(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, channel } = parts;
  app.use("/v1/agents/*", operatorsOnly(parts.operatorToken));
  app.get("/v1/agents", (context) => {
    const { mesh } = shell;
    return context.json(
      mesh.agents.all().map((entry) => agentView(mesh, parts.networkName(entry.record.network), entry)),
    );
  });
  app.get("/v1/agents/:id/paths", (context) => {
    const id = agentId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.agents.get(id.data) : undefined;
    return entry === undefined ? noSuch(context, "agent") : context.json(pathViews(shell.mesh, entry));
  });
  app.delete("/v1/agents/:id", async (context) => {
    const id = agentId.safeParse(context.req.param("id"));
    const revoked = id.success ? await store.revokeAgent(id.data, shell.now) : undefined;
    if (revoked === undefined) return noSuch(context, "agent");
    channel.endAgent(revoked.id);
    shell.run((mesh, now) => mesh.agentRevoked(revoked.id, now));
    log.info("an operator revoked agent {agent} ({name})", { agent: revoked.id, name: revoked.name });
    return context.json({ id: revoked.id, name: revoked.name, revokedAtMs: revoked.revokedAtMs });
  });
}
