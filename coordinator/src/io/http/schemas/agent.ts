/** What is told of an agent, and of its paths to its peers. */
import { natMapping, natPorts } from "@burrow/protocol";
import { z } from "zod";
import { atMs, idText, millisecondsView, placeView } from "./fields.ts";

export const agentView = z
  .object({
    id: idText,
    name: z.string(),
    network: z.string().meta({ description: "Its network's name" }),
    ipv4: z.string(),
    ipv6: z.string(),
    online: z.boolean(),
    address: z.string().nullable().meta({ description: "Where its side channel comes from" }),
    place: z.string().nullable(),
    at: placeView.nullable(),
    attribution: z.string().nullable().meta({ description: "Whose database said where it is" }),
    home: idText.nullable(),
    standby: idText.nullable(),
    region: z.string().nullable().meta({ description: "Its home's" }),
    homeReason: z.string().nullable(),
    homeMoves: z
      .number()
      .int()
      .nullable()
      .meta({ description: "How often its home moved for a gain within a day, as it says" }),
    rtts: z.array(z.object({ relay: idText, rttMs: millisecondsView })),
    nat: natMapping,
    natPorts: natPorts.nullable(),
    version: z.string(),
    connectedSinceMs: atMs.nullable(),
    lastSeenMs: atMs
      .nullable()
      .meta({ description: "When its channel ended last; null while it is online, and where nobody knows" }),
  })
  .meta({ id: "Agent" });
export type AgentView = z.output<typeof agentView>;

const pathKind = z.enum(["direct", "relay", "none"]);

export const pathView = z
  .object({
    peer: idText,
    peerName: z.string().nullable(),
    kind: pathKind,
    endpoint: z.string().nullable(),
    relay: idText.nullable(),
    rttMs: millisecondsView.nullable(),
    sinceMs: atMs,
    reason: z.string(),
  })
  .meta({ id: "Path", description: "How an agent reaches a peer, as it last reported" });
export type PathView = z.output<typeof pathView>;

export const pathStateView = z
  .object({ kind: pathKind, endpoint: z.string().nullable(), relay: idText.nullable() })
  .meta({ id: "PathState", description: "How a peer was or is reached" });
