/** The operators' HTTP API: health, metrics, and who is where. Reads the mesh; changes go through the store first. */
import { CHANNEL_PATH } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import type { Metrics } from "../metrics.ts";
import { StoreUnavailable } from "../store/store.ts";
import { addAgents } from "./agents.ts";
import { dashboardApp } from "./dashboard.ts";
import { Api, BODY_BYTES_MAX, badRequest, type Endpoint } from "./endpoint.ts";
import { addEvents } from "./events.ts";
import { makeGuard } from "./guard.ts";
import { addHealth, storeUnavailable } from "./health.ts";
import { addNearest } from "./nearest.ts";
import type { HttpEnv, HttpParts } from "./parts.ts";
import { problem } from "./problem.ts";
import { addReference } from "./reference.ts";
import { addRelays } from "./relays.ts";
import { safeHeaders } from "./safe-headers.ts";
import { addSession } from "./session.ts";
import { addTokens } from "./tokens.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

/** Answered before HTTP's turn comes, by server.ts. */
const CHANNEL = {
  method: "get",
  path: CHANNEL_PATH,
  name: "openChannel",
  group: "Channel",
  summary: "The side channel of agents and relays: a WebSocket, described in PROTOCOL.md",
  access: "everybody",
  answer: { status: 101, description: "It is one from now on" },
  problems: ["crowded", "not-websocket"],
} as const satisfies Endpoint;

export function createHttpApp(parts: HttpParts): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(counted(parts.metrics));
  app.use(safeHeaders);
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }));
  const api = new Api(
    app,
    makeGuard(parts.operator, () => parts.shell.unixNow),
  );
  addHealth(api, parts);
  addRelays(api, parts);
  addNearest(api, parts);
  addAgents(api, parts);
  addTokens(api, parts);
  addSession(api, parts);
  addEvents(api, parts);
  api.describe(CHANNEL);
  addReference(api);
  app.route("/", dashboardApp());
  api.refuseOtherMethods();
  app.notFound(() =>
    problem(
      "not-found",
      "There is nothing at this path.",
      "GET /docs lists the paths, and so does docs/api.md.",
    ),
  );
  app.onError((error) => {
    if (error instanceof HTTPException && error.status < 500) {
      return badRequest("The request was not understood.");
    }
    if (error instanceof StoreUnavailable) {
      parts.metrics.storeFailures.inc({ what: "operator's change" });
      return storeUnavailable(error);
    }
    log.error("a request failed: {problem}", { problem: String(error) });
    return problem(
      "internal",
      "The coordinator could not answer this request.",
      "Try again; operators: see the coordinator's log.",
    );
  });
  return app;
}

function tooLarge(): Response {
  return problem("too-large", `The body is larger than ${BODY_BYTES_MAX} bytes.`, "Send less.");
}

function counted(metrics: Metrics) {
  return createMiddleware<HttpEnv>(async (context, next) => {
    await next();
    const route = routePath(context, -1);
    metrics.requests.inc({
      method: METHODS.has(context.req.method) ? context.req.method : "other",
      route: context.res.status === 404 && !route.includes(":") ? "unknown" : route,
      status: String(context.res.status),
    });
  });
}

/** Any text is a method: a label must not grow by what strangers send. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
