/**
 * What `GET /v1/events` tells, one JSON object an event. Relays and agents are told as they are now, in the shape of
 * their own paths, so that a watcher need not ask for them again.
 */
import { relayState } from "@burrow/protocol";
import { z } from "zod";
import { agentView, pathStateView } from "./agent.ts";
import { atMs, idText, millisecondsView } from "./fields.ts";
import { relayLoadView, relayView, rttView } from "./relay.ts";

const named = z.object({ id: idText, name: z.string().nullable() });

/** Told to everybody. */
export const relayEvents = [
  z.object({ type: z.literal("relay-added"), atMs, relay: relayView }),
  z
    .object({ type: z.literal("relay-changed"), atMs, relay: relayView })
    .meta({ description: "Its region, place or addresses" }),
  z.object({ type: z.literal("relay-state"), atMs, relay: relayView, from: relayState }),
  z.object({ type: z.literal("relay-removed"), atMs, relay: z.object({ id: idText, region: z.string() }) }),
  z
    .object({
      type: z.literal("relay-loads"),
      atMs,
      relays: z.array(
        z.object({ id: idText, load: relayLoadView, agents: z.number(), rtt: rttView.nullable() }),
      ),
    })
    .meta({ description: "Every two seconds, without an id, of all relays that said anything new" }),
] as const;

/** Told to operators. */
export const agentEvents = [
  z.object({ type: z.literal("agent-connected"), atMs, agent: agentView }),
  z.object({ type: z.literal("agent-disconnected"), atMs, agent: agentView }),
  z
    .object({
      type: z.literal("agent-home"),
      atMs,
      agent: agentView,
      from: idText.nullable(),
      to: idText.nullable(),
    })
    .meta({
      description:
        "Its home is another relay, or there is one now, or none any more; `agent.homeReason` says why",
    }),
  z.object({ type: z.literal("agent-removed"), atMs, agent: named.extend({ network: z.string() }) }),
  z
    .object({
      type: z.literal("path-changed"),
      atMs,
      agent: named,
      peer: named,
      from: pathStateView,
      to: pathStateView,
      rttMs: millisecondsView.nullable(),
      reason: z.string(),
    })
    .meta({ description: "As `agent` reports it; the peer tells of its own side" }),
  z
    .object({
      type: z.literal("many-changed"),
      atMs,
      connected: z.number(),
      disconnected: z.number(),
      moved: z.number(),
      removed: z.number(),
      paths: z.number(),
    })
    .meta({ description: "So many more changed than were told one by one: ask for the lists again" }),
] as const;

/** The first event of each stream. */
export const helloEvent = z.object({
  type: z.literal("hello"),
  atMs,
  /** All since Last-Event-ID follows. False: what is known from before may be stale, ask for the lists. */
  resumed: z.boolean(),
  /** Whether agents and paths are told, or relays alone. */
  operator: z.boolean(),
});

export const meshEvent = z
  .discriminatedUnion("type", [helloEvent, ...relayEvents, ...agentEvents])
  .meta({ id: "Event" });
export type MeshEventView = z.output<typeof meshEvent>;
