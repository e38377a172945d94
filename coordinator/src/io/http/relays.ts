/** Relays, for everybody; draining and removing them, for operators. */
import { relayId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { HttpParts } from "./app.ts";
import { type Api, noSuch } from "./endpoint.ts";
import { pageOf } from "./page.ts";
import { idParams, idText, PAGE_HEADERS, pageQuery } from "./schemas/fields.ts";
import { relayView as relaySchema } from "./schemas/relay.ts";
import { relayView } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);
const group = "Relays";
const path = "/v1/relays";

const ENDPOINTS = {
  list: {
    method: "get",
    path,
    name: "listRelays",
    group,
    summary: "All relays",
    access: "everybody",
    query: pageQuery,
    answer: { status: 200, description: "By id", schema: z.array(relaySchema), headers: PAGE_HEADERS },
  },
  read: {
    method: "get",
    path: `${path}/{id}`,
    name: "readRelay",
    group,
    summary: "One relay",
    access: "everybody",
    params: idParams,
    answer: { status: 200, description: "As it is now", schema: relaySchema },
  },
  drain: {
    method: "post",
    path: `${path}/{id}/drain`,
    name: "drainRelay",
    group,
    summary: "Move its agents elsewhere, or take that back",
    access: "operators",
    params: idParams,
    body: z.strictObject({ draining: z.boolean().default(true) }).meta({ id: "Drain" }),
    answer: { status: 200, description: "The relay as it is now", schema: relaySchema },
  },
  remove: {
    method: "delete",
    path: `${path}/{id}`,
    name: "removeRelay",
    group,
    summary: "Forget it; to come back it would need a token",
    access: "operators",
    params: idParams,
    answer: {
      status: 200,
      description: "It is forgotten",
      schema: z.object({ id: idText, region: z.string() }),
    },
  },
} as const;

export function addRelays(api: Api, { shell, store, channel, census }: HttpParts): void {
  api.add(ENDPOINTS.list, ({ query }) => {
    const { items, headers } = pageOf(path, shell.mesh.relays.all(), ({ record }) => record.id, query);
    return { body: items.map((entry) => relayView(entry, census)), headers };
  });
  api.add(ENDPOINTS.read, ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.relays.get(id.data) : undefined;
    return entry === undefined ? noSuch("relay") : { body: relayView(entry, census) };
  });
  api.add(ENDPOINTS.drain, async ({ context, body }) => {
    const id = relayId.safeParse(context.req.param("id"));
    const record = id.success ? await store.requestDrain(id.data, body.draining) : undefined;
    if (record === undefined) return noSuch("relay");
    shell.run((mesh, now) => mesh.drainRequested(record, now));
    const entry = shell.mesh.relays.get(record.id);
    log.info("an operator asked relay {relay} to drain: {draining}", {
      relay: record.id,
      draining: record.drainRequested,
    });
    return entry === undefined ? noSuch("relay") : { body: relayView(entry, census) };
  });
  api.add(ENDPOINTS.remove, async ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    const removed = id.success ? await store.removeRelay(id.data) : undefined;
    if (removed === undefined) return noSuch("relay");
    channel.endRelay(removed.id);
    shell.run((mesh, now) => mesh.relayRemoved(removed.id, now));
    log.info("an operator removed relay {relay} ({region})", { relay: removed.id, region: removed.region });
    return { body: { id: removed.id, region: removed.region } };
  });
}
