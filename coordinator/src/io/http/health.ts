/** Whether the coordinator lives and can work, and its metrics. */
import { getLogger } from "@logtape/logtape";
import type { Hono } from "hono";
import type { HttpEnv, HttpParts } from "./app.ts";
import { problem } from "./problem.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

/** A store that takes longer than this to write is not ready. */
const STORE_CHECK_MS = 2_000;

export function addHealth(app: Hono<HttpEnv>, { store, metrics }: HttpParts): void {
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", async (context) => {
    const failure = await within(store.check(), STORE_CHECK_MS).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (failure === undefined)
      return context.json({ status: "ready", store: store.kind, channel: "serving" });
    log.warn("the store cannot be written to: {problem}", { problem: String(failure) });
    return problem(context, 503, {
      code: "store-unavailable",
      message: "The store cannot be written to.",
      remedy: "Operators: see the coordinator's log; is the disk full or read-only?",
    });
  });
  app.get("/metrics", async (context) =>
    context.body(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType }),
  );
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return await Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
