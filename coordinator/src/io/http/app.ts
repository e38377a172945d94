/** The operators' HTTP API: health, metrics, and who is where. Reads the mesh; changes go through the store first. */
import type { NetworkId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import type { GeoResolver } from "../../core/geo.ts";
import type { RandomBytes } from "../../core/ticket-office.ts";
import type { Census } from "../census.ts";
import type { Channel } from "../channel.ts";
import type { EventHub } from "../event-hub.ts";
import type { Metrics } from "../metrics.ts";
import type { Shell } from "../shell.ts";
import type { Store } from "../store/store.ts";
import { addAgents } from "./agents.ts";
import { addEvents } from "./events.ts";
import { addHealth } from "./health.ts";
import { addNearest } from "./nearest.ts";
import { problem } from "./problem.ts";
import { addRelays } from "./relays.ts";
import { BODY_BYTES_MAX, badRequest, tooLarge } from "./requests.ts";
import { addTokens } from "./tokens.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

export interface HttpParts {
  readonly shell: Shell;
  readonly store: Store;
  readonly channel: Channel;
  readonly metrics: Metrics;
  readonly census: Census;
  readonly events: EventHub;
  readonly geo: GeoResolver | undefined;
  readonly operatorToken: string;
  readonly random: RandomBytes;
  /** Names of the networks that agents belong to. */
  readonly networkName: (id: NetworkId) => string;
  readonly networkMade: (id: NetworkId, name: string) => void;
}

export interface HttpEnv {
  readonly Bindings: { readonly address: string };
}

export function createHttpApp(parts: HttpParts): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(counted(parts.metrics));
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }));
  addHealth(app, parts);
  addRelays(app, parts);
  addAgents(app, parts);
  addNearest(app, parts);
  addTokens(app, parts);
  addEvents(app, parts);
  app.notFound((context) =>
    problem(context, 404, {
      code: "not-found",
      message: "There is nothing at this path.",
      remedy: "See docs/api.md for the paths; check the method, too.",
    }),
  );
  app.onError((error, context) => {
    if (error instanceof HTTPException && error.status < 500) {
      return badRequest(context, "The request was not understood.");
    }
    log.error("a request failed: {problem}", { problem: String(error) });
    return problem(context, 500, {
      code: "internal",
      message: "The coordinator could not answer this request.",
      remedy: "Try again; operators: see the coordinator's log.",
    });
  });
  return app;
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
