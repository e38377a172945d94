/** What is told of an agent, and of its paths to its peers. */
import { natMapping, natPorts } from "@burrow/protocol";
import { z } from "zod";
import { atMs, idText, millisecondsView, placeView } from "./fields.ts";

export const agentView = z.object({
  id: idText,
  name: z.string(),
  /** Its network's name. */
  network: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  online: z.boolean(),
  /** Where its side channel comes from. */
  address: z.string().nullable(),
  place: z.string().nullable(),
  at: placeView.nullable(),
  home: idText.nullable(),
  standby: idText.nullable(),
  /** Its home's. */
  region: z.string().nullable(),
  homeReason: z.string().nullable(),
  rtts: z.array(z.object({ relay: idText, rttMs: millisecondsView })),
  nat: natMapping,
  natPorts: natPorts.nullable(),
  version: z.string(),
  connectedSinceMs: atMs.nullable(),
});
export type AgentView = z.output<typeof agentView>;

const pathKind = z.enum(["direct", "relay", "none"]);

export const pathView = z.object({
  peer: idText,
  peerName: z.string().nullable(),
  kind: pathKind,
  endpoint: z.string().nullable(),
  relay: idText.nullable(),
  rttMs: millisecondsView.nullable(),
  sinceMs: atMs,
  reason: z.string(),
});
export type PathView = z.output<typeof pathView>;

/** How a peer was or is reached. */
export const pathStateView = z.object({
  kind: pathKind,
  endpoint: z.string().nullable(),
  relay: idText.nullable(),
});
