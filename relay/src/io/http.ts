/** The relay's HTTP: liveness through the data plane, readiness, metrics, status and drain. JSON, and never a trace. */
import { endpoint, UserError } from "@burrow/protocol";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { DataPlaneSnapshot } from "./data-plane.ts";
import { drainBody, relayDocument } from "./http-description.ts";
import { log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { problem } from "./problem.ts";
import type { Health } from "./self-check.ts";

const BODY_BYTES_MAX = 4 * 1024;

/** What the HTTP side may ask of the relay. */
export interface RelayView {
  readonly id: string;
  readonly region: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly endpoints: readonly string[];
  readonly boot: number;
  readonly registered: boolean;
  readonly notRegisteredBecause: string;
  readonly draining: boolean;
  snapshot(): Promise<DataPlaneSnapshot>;
  checkHealth(): Promise<Health>;
  drain(draining: boolean): void;
}

interface Bindings {
  readonly Bindings: { readonly peer: string | undefined };
}

function routes(relay: RelayView, metrics: Metrics): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.use(
    bodyLimit({
      maxSize: BODY_BYTES_MAX,
      onError: () => problem("too-large", `The body is larger than ${BODY_BYTES_MAX} bytes.`, "Send less."),
    }),
  );
  app.get("/healthz", async (c) => {
    const health = await relay.checkHealth();
    return health.ok
      ? c.json({ ok: true, rttMs: health.rttMs })
      : c.json({ ok: false, reason: health.reason }, 503);
  });
  app.get("/readyz", (c) => {
    if (!relay.registered) return c.json({ ready: false, reason: relay.notRegisteredBecause }, 503);
    if (relay.draining) return c.json({ ready: false, reason: "draining" }, 503);
    return c.json({ ready: true });
  });
  app.get("/metrics", async (c) => {
    const text = await metrics.render(await relay.snapshot(), relay);
    return c.body(text, 200, { "content-type": metrics.contentType });
  });
  app.get("/v1/status", async (c) => c.json(await status(relay)));
  app.post("/v1/drain", (c) => drain(c, relay));
  app.get("/openapi.json", (c) => c.json(relayDocument(relay.version)));
  app.on(
    ["POST", "PUT", "PATCH", "DELETE"],
    ["/healthz", "/readyz", "/metrics", "/v1/status", "/openapi.json"],
    () => otherMethod("GET"),
  );
  app.on(["GET", "PUT", "PATCH", "DELETE"], "/v1/drain", () => otherMethod("POST"));
  app.notFound(() =>
    problem(
      "not-found",
      "There is nothing at this path.",
      "GET /openapi.json lists the paths, and so does docs/api.md.",
    ),
  );
  app.onError((error, c) => {
    log.error("HTTP {method} {path} failed: {error}", { method: c.req.method, path: c.req.path, error });
    return problem(
      "internal",
      "The relay could not answer this request.",
      "Try again; operators: see the relay's log.",
    );
  });
  return app;
}

function otherMethod(allow: string): Response {
  return problem("method-not-allowed", "This path is for another method.", `Use: ${allow}`, { allow });
}

async function status(relay: RelayView) {
  const { forwarder, socket } = await relay.snapshot();
  return {
    id: relay.id,
    region: relay.region,
    version: relay.version,
    startedAtMs: relay.startedAtMs,
    boot: relay.boot,
    endpoints: relay.endpoints,
    registered: relay.registered,
    ...(relay.registered ? {} : { reason: relay.notRegisteredBecause }),
    draining: relay.draining,
    ...forwarder,
    socket,
  };
}

/** Headers of browsers and proxies: behind either, a request from this machine is not from its operator. */
const GO_BETWEENS = ["origin", "sec-fetch-site", "forwarded", "x-forwarded-for", "via"];

/** Body: `{"draining": boolean}`, or none for true. Only from this machine: it has no other authentication. */
async function drain(c: Context<Bindings>, relay: RelayView) {
  if (!isLoopback(c.env.peer) || GO_BETWEENS.some((name) => c.req.header(name) !== undefined)) {
    return problem(
      "elsewhere",
      "Draining is asked for from the relay's own machine, not through a browser or a proxy.",
      "From elsewhere: `burrow relay drain ID`, or the coordinator's POST /v1/relays/ID/drain.",
    );
  }
  const text = await c.req.text();
  const body = drainBody.safeParse(parseJson(text === "" ? "{}" : text));
  if (!body.success) {
    return problem(
      "bad-request",
      "The body does not fit.",
      'Send {"draining": true} or {"draining": false}.',
    );
  }
  relay.drain(body.data.draining);
  return c.json({ draining: relay.draining });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `address` as Bun tells it: IPv4 may come mapped. */
function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const bare = address.replace(/^::ffff:/, "");
  return bare === "::1" || bare.startsWith("127.");
}

export interface HttpServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Throws a UserError when the port cannot be had. */
export function serveHttp(
  listen: { readonly address: string; readonly port: number },
  relay: RelayView,
  metrics: Metrics,
): HttpServer {
  const app = routes(relay, metrics);
  try {
    const server = Bun.serve({
      hostname: listen.address,
      port: listen.port,
      development: false,
      // Bun shares ports by default outside development: a second relay would take half of the answers.
      reusePort: false,
      fetch: (request, from) => app.fetch(request, { peer: from.requestIP(request)?.address }),
      error: () => problem("bad-request", "The request was not understood.", "Correct it and send it again."),
    });
    const at = endpoint(listen.address, server.port ?? listen.port);
    return { url: `http://${at}`, stop: () => server.stop(true) };
  } catch (cause) {
    const at = `${listen.address}:${listen.port}`;
    throw new UserError(
      `cannot serve HTTP at ${at}: ${cause instanceof Error ? cause.message : String(cause)}`,
      `stop what uses that port (see \`ss -ltnp sport = :${listen.port}\`) or choose another with --http`,
      { cause },
    );
  }
}
