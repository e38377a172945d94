/**
 * What the agent's local API answers. The commands print it unchanged under --json, so docs/cli.md documents these
 * shapes. Types alone: nothing of the agent is loaded to ask one that runs.
 */
import type { PathView } from "@burrow/agent";

export type {
  AgentStatus,
  AttemptView,
  NetcheckView,
  PathView,
  PeerView,
  PortMappingView,
  RelayedBecause,
  RelayView,
  WhyView,
} from "@burrow/agent";

/** One line of a ping's answer. */
export interface PingLine {
  readonly seq: number;
  readonly sentAtMs: number;
  readonly rttMs?: number;
  readonly path?: PathView;
  readonly timeout?: true;
}
