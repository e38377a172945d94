/** Relays, for everybody; draining and removing them, for operators. */
import { relayId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { RelayEntry } from "../../core/relays.ts";
import { WEIGHT_MAX_MS } from "../../core/selection/cost.ts";
import { type Api, noSuch } from "./endpoint.ts";
import { pageOf } from "./page.ts";
import type { HttpParts } from "./parts.ts";
import { idParams, idText, PAGE_HEADERS, pageQuery } from "./schemas/fields.ts";
import { linkView, readingView, relayView as relaySchema } from "./schemas/relay.ts";
import { linkViews, relayView } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);
const group = "Relays";
const path = "/v1/relays";

const wishesBody = z
  .strictObject({
    weightMs: z
      .number()
      .min(-WEIGHT_MAX_MS)
      .max(WEIGHT_MAX_MS)
      .optional()
      .meta({ description: "So much further off it counts; below 0, nearer; 0: as it is" }),
    avoid: z.boolean().optional(),
  })
  .meta({ id: "RelayWishes", description: "What is left out stays as it is" });

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
  links: {
    method: "get",
    path: `${path}/{id}/links`,
    name: "readRelayLinks",
    group,
    summary: "How far the other relays are from this one",
    access: "everybody",
    params: idParams,
    answer: { status: 200, description: "The nearest first", schema: z.array(linkView) },
  },
  history: {
    method: "get",
    path: `${path}/{id}/history`,
    name: "readRelayHistory",
    group,
    summary: "What its counters read over the last two hours",
    description:
      "A reading every 15 seconds, the oldest first; none of times at which the relay was silent, nor of those before " +
      "the coordinator started. What is to be kept for longer is Prometheus' business.",
    access: "everybody",
    params: idParams,
    answer: { status: 200, description: "The oldest first", schema: z.array(readingView) },
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
  set: {
    method: "patch",
    path: `${path}/{id}`,
    name: "setRelay",
    group,
    summary: "Prefer it, use it less, or only when there is nothing else",
    access: "operators",
    params: idParams,
    body: wishesBody,
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

export function addRelays(api: Api, parts: HttpParts): void {
  const { shell, store, channel, readings } = parts;
  const view = (entry: RelayEntry) => relayView({ ...parts, mesh: shell.mesh }, entry, shell.now);
  api.add(ENDPOINTS.list, ({ query }) => {
    const { items, headers } = pageOf(path, shell.mesh.relays.all(), ({ record }) => record.id, query);
    return { body: items.map(view), headers };
  });
  api.add(ENDPOINTS.read, ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.relays.get(id.data) : undefined;
    return entry === undefined ? noSuch("relay") : { body: view(entry) };
  });
  api.add(ENDPOINTS.links, ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.relays.get(id.data) : undefined;
    return entry === undefined ? noSuch("relay") : { body: linkViews(shell.mesh, entry) };
  });
  api.add(ENDPOINTS.history, ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    if (!id.success || shell.mesh.relays.get(id.data) === undefined) return noSuch("relay");
    return { body: [...readings.of(id.data)] };
  });
  api.add(ENDPOINTS.set, async ({ context, body }) => {
    const id = relayId.safeParse(context.req.param("id"));
    if (!id.success) return noSuch("relay");
    const record = await store.saveRelayWishes(id.data, body, (wished) => {
      if (wished !== undefined) shell.run((mesh, now) => mesh.relayConfigured(wished, now));
    });
    if (record === undefined) return noSuch("relay");
    const { weightMs = 0, avoid = false } = record;
    log.info("an operator set relay {relay}: weight {weightMs} ms, avoid {avoid}", {
      relay: record.id,
      weightMs,
      avoid,
    });
    const entry = shell.mesh.relays.get(record.id);
    return entry === undefined ? noSuch("relay") : { body: view(entry) };
  });
  api.add(ENDPOINTS.drain, async ({ context, body }) => {
    const id = relayId.safeParse(context.req.param("id"));
    if (!id.success) return noSuch("relay");
    const record = await store.requestDrain(id.data, body.draining, (drained) => {
      if (drained !== undefined) shell.run((mesh, now) => mesh.drainRequested(drained, now));
    });
    if (record === undefined) return noSuch("relay");
    const entry = shell.mesh.relays.get(record.id);
    log.info("an operator asked relay {relay} to drain: {draining}", {
      relay: record.id,
      draining: record.drainRequested,
    });
    return entry === undefined ? noSuch("relay") : { body: view(entry) };
  });
  api.add(ENDPOINTS.remove, async ({ context }) => {
    const id = relayId.safeParse(context.req.param("id"));
    if (!id.success) return noSuch("relay");
    const removed = await store.removeRelay(id.data, (record) => {
      if (record === undefined) return;
      channel.endRelay(record.id);
      shell.run((mesh, now) => mesh.relayRemoved(record.id, now));
    });
    if (removed === undefined) return noSuch("relay");
    log.info("an operator removed relay {relay} ({region})", { relay: removed.id, region: removed.region });
    return { body: { id: removed.id, region: removed.region } };
  });
}
