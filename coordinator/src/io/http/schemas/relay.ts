/** What is told of a relay. */
import { relayState } from "@burrow/protocol";
import { z } from "zod";
import { atMs, idText, millisecondsView, placeView } from "./fields.ts";

/** Counters since the relay started, as its last heartbeat told them. */
export const relayLoadView = z.object({
  sessions: z.number(),
  sessionsMax: z.number().optional(),
  flows: z.number(),
  packets: z.number(),
  bytes: z.number(),
  drops: z.record(z.string(), z.number()),
});

/** Round trips that connected agents measured to the relay that is their home. */
export const rttView = z.object({
  samples: z.number(),
  p50Ms: millisecondsView,
  p90Ms: millisecondsView,
  p99Ms: millisecondsView,
});

export const relayView = z.object({
  id: idText,
  region: z.string(),
  at: placeView.nullable(),
  /** The first is preferred. */
  endpoints: z.array(z.string()),
  state: relayState,
  reason: z.string(),
  sinceMs: atMs,
  load: relayLoadView,
  sessions: z.number(),
  /** Connected agents whose home it is. */
  agents: z.number(),
  rtt: rttView.nullable(),
  version: z.string(),
});
export type RelayView = z.output<typeof relayView>;
