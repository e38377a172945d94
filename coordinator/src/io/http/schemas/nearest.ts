/** How relays rank for an address. */
import { relayState } from "@burrow/protocol";
import { z } from "zod";
import { idText, millisecondsView, placeView } from "./fields.ts";

export const nearestView = z
  .object({
    ip: z.string(),
    place: z.string().nullable(),
    at: placeView.nullable(),
    precision: z.enum(["city", "country"]).nullable(),
    attribution: z.string().nullable().meta({ description: "Whose database said so" }),
    widely: z.boolean().meta({
      description: "Too little is known of the place: relays all over the world are probed",
    }),
    ranking: z.array(
      z.object({
        relay: idText,
        region: z.string(),
        state: relayState,
        distanceKm: z.number().nullable(),
        expectedRttMs: millisecondsView.nullable(),
        source: z.string().nullable().meta({ description: "How the expectation came to be" }),
        lowMs: millisecondsView.nullable(),
        highMs: millisecondsView.nullable(),
        costMs: z.number().meta({ description: "The sum of the terms: the least is the first choice" }),
        terms: z.array(z.object({ name: z.string(), ms: z.number(), reason: z.string() })),
        reason: z.string(),
        probed: z.boolean().meta({ description: "Whether an agent from there is given a ticket for it" }),
      }),
    ),
  })
  .meta({ id: "Nearest" });
export type NearestView = z.output<typeof nearestView>;
