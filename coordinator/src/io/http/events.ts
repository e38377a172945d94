/** `GET /v1/events`: what happens, as it happens. Relays for everybody, agents for operators. */
import type { Hono } from "hono";
import { bearsToken } from "../operator.ts";
import type { HttpEnv, HttpParts } from "./app.ts";
import { unauthorized } from "./operators-only.ts";
import { problem } from "./problem.ts";

export const EVENTS_PATH = "/v1/events";

const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would gather the stream in a buffer of its own.
  "x-accel-buffering": "no",
};

export function addEvents(app: Hono<HttpEnv>, { events, operatorToken }: HttpParts): void {
  app.get(EVENTS_PATH, (context) => {
    const authorization = context.req.header("authorization");
    const isOperator = bearsToken(authorization, operatorToken);
    if (authorization !== undefined && !isOperator) return unauthorized(context);
    // Nobody would ever read it.
    if (context.req.method === "HEAD") return context.body(null, 200, STREAM_HEADERS);
    const audience = isOperator ? "operators" : "everybody";
    const stream = events.watch(audience, context.req.header("last-event-id"), context.env.address);
    if (stream !== undefined) return context.body(stream, 200, STREAM_HEADERS);
    return problem(context, 503, {
      code: "crowded",
      message: "Too many streams of events are open, here or from this address.",
      remedy: "Close some, or try again later.",
    });
  });
}
