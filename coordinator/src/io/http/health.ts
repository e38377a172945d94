/** Whether the coordinator lives and can work, and its metrics. */
import {
  PROBE_CHALLENGE,
  PROBE_CHALLENGE_TEXT,
  PROBE_PATH,
  PROBE_RESPONSE,
  PROBE_TIME,
  probeResponse,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { Api } from "./endpoint.ts";
import type { HttpParts } from "./parts.ts";
import { problem } from "./problem.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

/** A store that takes longer than this to write is not ready. */
const STORE_CHECK_MS = 2_000;
/** Anybody may ask at any pace, and each look is a write that goes to the disk: within this time one look serves all. */
const STORE_CHECK_EVERY_MS = 1_000;
const group = "Health";

const ENDPOINTS = {
  alive: {
    method: "get",
    path: "/healthz",
    name: "readHealth",
    group,
    summary: "Whether the process answers",
    access: "everybody",
    answer: { status: 200, description: "It does", schema: z.object({ status: z.literal("ok") }) },
  },
  ready: {
    method: "get",
    path: "/readyz",
    name: "readReadiness",
    group,
    summary: "Whether the store can be written to",
    access: "everybody",
    answer: {
      status: 200,
      description: "It can",
      schema: z.object({
        status: z.literal("ready"),
        store: z.string().meta({ description: "Its kind" }),
        channel: z.literal("serving"),
      }),
    },
    problems: ["store-unavailable"],
  },
  probe: {
    method: "get",
    path: PROBE_PATH,
    name: "probeNetwork",
    group,
    summary: "Whether a network lets HTTP through unchanged: a captive portal answers something else",
    access: "everybody",
    answer: {
      status: 204,
      description:
        "With `X-Burrow-Response: response CHALLENGE` for the request's `X-Burrow-Challenge`, and `X-Burrow-Time`, Unix milliseconds",
    },
  },
  metrics: {
    method: "get",
    path: "/metrics",
    name: "readMetrics",
    group,
    summary: "Metrics in Prometheus' text format",
    access: "everybody",
    answer: {
      status: 200,
      description: "All names begin with `burrow_coordinator_`",
      schema: z.string(),
      contentType: "text/plain",
    },
  },
} as const;

export function addHealth(api: Api, { store, metrics }: HttpParts): void {
  api.add(ENDPOINTS.alive, () => ({ body: { status: "ok" as const } }));
  api.add(ENDPOINTS.probe, ({ context }) => {
    const challenge = context.req.header(PROBE_CHALLENGE) ?? "";
    const headers = new Headers({ [PROBE_TIME]: String(Date.now()), "cache-control": "no-store" });
    if (PROBE_CHALLENGE_TEXT.test(challenge)) headers.set(PROBE_RESPONSE, probeResponse(challenge));
    return new Response(null, { status: 204, headers });
  });
  const storeFailure = sharedFor(STORE_CHECK_EVERY_MS, () =>
    within(store.check(), STORE_CHECK_MS).then(
      () => undefined,
      (cause: unknown) => cause,
    ),
  );
  api.add(ENDPOINTS.ready, async () => {
    const failure = await storeFailure();
    if (failure === undefined) {
      return { body: { status: "ready" as const, store: store.kind, channel: "serving" as const } };
    }
    return storeUnavailable(failure);
  });
  api.add(
    ENDPOINTS.metrics,
    async () => new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } }),
  );
}

/** What was asked for was not written: nothing has changed. */
export function storeUnavailable(cause: unknown): Response {
  log.error("the store cannot be written to: {problem}", { problem: String(cause) });
  return problem(
    "store-unavailable",
    "The store cannot be written to; nothing was changed.",
    "Operators: see the coordinator's log; is the disk full or read-only?",
  );
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return await Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Asks again only when the last answer was begun longer ago than this. */
function sharedFor<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly atMs: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const atMs = performance.now();
    if (last === undefined || atMs - last.atMs >= ms) last = { atMs, answer: ask() };
    return last.answer;
  };
}
