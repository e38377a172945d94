/** Relays, for everybody; draining and removing them, for operators. */
import { relayId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Hono } from "hono";
import { z } from "zod";
import type { HttpEnv, HttpParts } from "./app.ts";
import { operatorsOnly } from "./operators-only.ts";
import { badRequest, jsonBody, noSuch } from "./requests.ts";
import { relayView, relayViews } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

export const drainBody = z.strictObject({ draining: z.boolean().default(true) });

export function addRelays(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, channel, census, operatorToken } = parts;
  app.get("/v1/relays", (context) => context.json(relayViews(shell.mesh, census)));
  app.get("/v1/relays/:id", (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.relays.get(id.data) : undefined;
    return entry === undefined ? noSuch(context, "relay") : context.json(relayView(entry, census));
  });
  app.post("/v1/relays/:id/drain", operatorsOnly(operatorToken), async (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const body = await jsonBody(context, drainBody);
    if (!body.ok) return badRequest(context, body.problem);
    const record = id.success ? await store.requestDrain(id.data, body.value.draining) : undefined;
    if (record === undefined) return noSuch(context, "relay");
    shell.run((mesh, now) => mesh.drainRequested(record, now));
    const entry = shell.mesh.relays.get(record.id);
    log.info("an operator asked relay {relay} to drain: {draining}", {
      relay: record.id,
      draining: record.drainRequested,
    });
    return entry === undefined ? noSuch(context, "relay") : context.json(relayView(entry, census));
  });
  app.delete("/v1/relays/:id", operatorsOnly(operatorToken), async (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const removed = id.success ? await store.removeRelay(id.data) : undefined;
    if (removed === undefined) return noSuch(context, "relay");
    channel.endRelay(removed.id);
    shell.run((mesh, now) => mesh.relayRemoved(removed.id, now));
    log.info("an operator removed relay {relay} ({region})", { relay: removed.id, region: removed.region });
    return context.json({ id: removed.id, region: removed.region });
  });
}
