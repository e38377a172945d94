/** `GET /v1/events`: what happens, as it happens. Relays for everybody, agents for operators. */
import { z } from "zod";
import type { Api, Endpoint } from "./endpoint.ts";
import type { HttpParts } from "./parts.ts";
import { problem } from "./problem.ts";
import { meshEvent } from "./schemas/event.ts";

export const EVENTS_PATH = "/v1/events";

const EVENTS = {
  method: "get",
  path: EVENTS_PATH,
  name: "watchEvents",
  group: "Events",
  summary: "What happens, as it happens, as server-sent events",
  description:
    "Each event is one JSON object of the schema below. Everybody is told of relays, operators of agents and paths " +
    "as well. Ask for the lists after `hello`, then nothing is missed; whoever comes back with Last-Event-ID is told " +
    "what it missed, or by `resumed: false` that it must ask for the lists again.",
  access: "more-for-operators",
  headers: z.object({
    "Last-Event-ID": z.string().optional().meta({ description: "The id of the last event that was read" }),
  }),
  answer: {
    status: 200,
    description: "A stream without end",
    schema: meshEvent,
    contentType: "text/event-stream",
  },
  problems: ["crowded"],
} as const satisfies Endpoint;

const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would gather the stream in a buffer of its own.
  "x-accel-buffering": "no",
};

export function addEvents(api: Api, { events }: HttpParts): void {
  api.add(EVENTS, ({ context, isOperator }) => {
    // Nobody would ever read it.
    if (context.req.method === "HEAD") return new Response(null, { headers: STREAM_HEADERS });
    const audience = isOperator ? "operators" : "everybody";
    const stream = events.watch(audience, context.req.header("last-event-id"), context.env.address);
    if (stream !== undefined) return new Response(stream, { headers: STREAM_HEADERS });
    return problem(
      "crowded",
      "Too many streams of events are open, here or from this address.",
      "Close some, or try again later.",
    );
  });
}
