/** What is told of a relay. */
import { relayState } from "@burrow/protocol";
import { z } from "zod";
import { atMs, idText, millisecondsView, placeView } from "./fields.ts";

export const relayLoadView = z
  .object({
    sessions: z.number(),
    sessionsMax: z.number().optional(),
    flows: z.number(),
    packets: z.number(),
    bytes: z.number(),
    drops: z.record(z.string(), z.number()).meta({ description: "Datagrams dropped, by reason" }),
  })
  .meta({
    id: "RelayLoad",
    description: "Counters since the relay started, as its last heartbeat told them",
  });

export const rttView = z
  .object({
    samples: z.number(),
    p50Ms: millisecondsView,
    p90Ms: millisecondsView,
    p99Ms: millisecondsView,
  })
  .meta({
    id: "Rtt",
    description: "Round trips that connected agents measured to the relay that is their home",
  });

export const reachView = z
  .object({
    verdict: z.enum(["works", "silent", "unknown"]),
    coordinator: z
      .boolean()
      .nullable()
      .meta({ description: "This coordinator's own probe; null while it cannot tell" }),
    rttMs: millisecondsView.nullable(),
    reachedBy: z.number().meta({ description: "Other relays that reach it" }),
    missedBy: z.number().meta({ description: "Other relays that do not" }),
  })
  .meta({ id: "Reach", description: "Whether the data port works from elsewhere, and who says so" });

export const readingView = z
  .object({
    atMs,
    sessions: z.number(),
    packets: z.number(),
    bytes: z.number(),
    drops: z.number(),
    p50Ms: millisecondsView.nullable(),
    p90Ms: millisecondsView.nullable(),
    p99Ms: millisecondsView.nullable(),
  })
  .meta({
    id: "Reading",
    description:
      "Counters since the relay started, and round trips of agents at home there, as they were then. A counter that " +
      "is less than the one before tells that the relay has started anew",
  });
export type ReadingView = z.output<typeof readingView>;

export const linkView = z
  .object({
    relay: idText,
    region: z.string(),
    state: relayState,
    rttMs: millisecondsView.nullable(),
    lowMs: millisecondsView.nullable(),
    highMs: millisecondsView.nullable(),
    source: z.enum(["measured", "predicted", "mapped"]).nullable().meta({
      description: "By the relays themselves; by agents beside one of them; by the map; null: nobody knows",
    }),
  })
  .meta({ id: "Link", description: "How far another relay is" });
export type LinkView = z.output<typeof linkView>;

export const relayView = z
  .object({
    id: idText,
    region: z.string(),
    at: placeView.nullable(),
    endpoints: z.array(z.string()).meta({ description: "The first is preferred" }),
    state: relayState,
    reason: z.string().meta({ description: "Why it is in this state" }),
    sinceMs: atMs,
    reach: reachView,
    network: z.string().nullable().meta({ description: "Whose own it is; null: it serves all networks" }),
    weightMs: z.number().meta({ description: "So much further off it counts; below 0, nearer" }),
    avoid: z.boolean().meta({ description: "Used only when there is nothing else" }),
    load: relayLoadView,
    sessions: z.number(),
    agents: z.number().meta({ description: "Connected agents whose home it is" }),
    rtt: rttView.nullable(),
    version: z.string(),
  })
  .meta({ id: "Relay" });
export type RelayView = z.output<typeof relayView>;
