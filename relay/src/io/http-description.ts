/** The relay's HTTP as OpenAPI: what each path answers, with schemas that the tests hold real answers against. */
import {
  BindStatus,
  type EndpointDescription,
  type JsonObject,
  openApiDocument,
  PROBLEM_TYPE,
} from "@burrow/protocol";
import { z } from "zod";
import { DROP_REASONS } from "../core/drop-reason.ts";
import { PROBLEMS, type ProblemCode, problemView } from "./problem.ts";

export const drainBody = z.strictObject({ draining: z.boolean().default(true) }).meta({ id: "Drain" });

const count = z.number();
const counted = (names: readonly string[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, count])));

const status = z
  .object({
    id: z.string(),
    region: z.string(),
    version: z.string(),
    startedAtMs: z.number(),
    boot: z.number().meta({ description: "Higher with every start" }),
    endpoints: z.array(z.string()),
    registered: z.boolean(),
    reason: z.string().optional().meta({ description: "Why it is not registered" }),
    draining: z.boolean(),
    sessions: count.meta({ description: "Agents bound here" }),
    outsideClients: count.meta({ description: "Unmodified WireGuard clients" }),
    parties: count,
    flows: count,
    relays: count,
    received: count.meta({ description: "Datagrams that arrived" }),
    packets: count.meta({ description: "Datagrams that left" }),
    bytes: count,
    transports: count,
    trunk: z.object({ sent: count, received: count }),
    soundings: z.array(z.object({ relay: z.string(), atMs: z.number(), rttMs: z.number().optional() })).meta({
      description: "Other relays' data ports as this one found them; without rttMs, pings went unanswered",
    }),
    binds: counted(Object.keys(BindStatus)),
    drops: counted(DROP_REASONS),
    flowConflicts: count,
    evictions: z.object({ flows: count, parties: count }),
    socket: z.record(z.string(), count),
  })
  .meta({ id: "Status" });

const refusal = (code: ProblemCode) => ({
  description: `\`${code}\`: ${PROBLEMS[code].when}`,
  schema: problemView,
  contentType: PROBLEM_TYPE,
});
const fails = refusal("internal");
const otherMethod = refusal("method-not-allowed");
const get = { method: "get", access: "everybody" } as const;

export const RELAY_ENDPOINTS: readonly EndpointDescription[] = [
  {
    ...get,
    path: "/healthz",
    name: "readHealth",
    group: "Health",
    summary: "Whether a packet goes through the relay's own UDP port",
    answers: {
      200: { description: "It did", schema: z.object({ ok: z.literal(true), rttMs: z.number() }) },
      405: otherMethod,
      503: { description: "It did not", schema: z.object({ ok: z.literal(false), reason: z.string() }) },
    },
  },
  {
    ...get,
    path: "/readyz",
    name: "readReadiness",
    group: "Health",
    summary: "Whether it is registered and not draining",
    answers: {
      200: { description: "It is", schema: z.object({ ready: z.literal(true) }) },
      405: otherMethod,
      503: { description: "It is not", schema: z.object({ ready: z.literal(false), reason: z.string() }) },
    },
  },
  {
    ...get,
    path: "/metrics",
    name: "readMetrics",
    group: "Health",
    summary: "Metrics in Prometheus' text format",
    answers: {
      200: {
        description: "All names begin with `burrow_relay_`",
        schema: z.string(),
        contentType: "text/plain",
      },
      405: otherMethod,
      500: fails,
    },
  },
  {
    ...get,
    path: "/v1/status",
    name: "readStatus",
    group: "Relay",
    summary: "Who it is, and all counters",
    answers: { 200: { description: "As it is now", schema: status }, 405: otherMethod, 500: fails },
  },
  {
    method: "post",
    access: "everybody",
    path: "/v1/drain",
    name: "drain",
    group: "Relay",
    summary: "Send agents elsewhere, or take them again",
    description: "From the relay's own machine only, and not through a proxy or a browser.",
    body: drainBody,
    answers: {
      200: { description: "Whether it drains now", schema: z.object({ draining: z.boolean() }) },
      400: refusal("bad-request"),
      403: refusal("elsewhere"),
      405: otherMethod,
      413: refusal("too-large"),
      500: fails,
    },
  },
  {
    ...get,
    path: "/openapi.json",
    name: "readDocument",
    group: "Reference",
    summary: "This API as an OpenAPI 3.1 document",
    answers: {
      200: { description: "The document", schema: z.looseObject({ openapi: z.string() }) },
      405: otherMethod,
    },
  },
];

export function relayDocument(version: string): JsonObject {
  return openApiDocument({
    title: "Burrow relay",
    version,
    description: "For the relay's own machine and those who watch it. Names ending in Ms hold milliseconds.",
    endpoints: RELAY_ENDPOINTS,
  });
}
