/** An agent as the command line has it: how it is to be, and what may be asked of it once it runs. */
import type { AgentId, Endpoint, PeerInfo, UserError } from "@burrow/protocol";
import type { Netmap } from "../core/contract.ts";
import type { AgentEvent } from "../core/events.ts";
import type { Answer, Asked, QuestionKind } from "../core/questions.ts";
import type { DeviceChoice } from "./devices.ts";
import type { AgentHost, OpenSocket } from "./host.ts";
import type { WireGuardClient } from "./outside-clients.ts";
import type { PingOptions, PingResult } from "./pinger.ts";
import type { ChannelState } from "./side-channel.ts";

export interface AgentConfig {
  readonly coordinatorUrl: string;
  /** For the first start; later the key is known. */
  readonly token?: string | undefined;
  readonly name?: string | undefined;
  readonly device: DeviceChoice;
  /** UDP port; 0 for any. */
  readonly port: number;
  readonly stateDir: string;
  readonly clients?: readonly WireGuardClient[];
  /** Endpoints at which the user knows this agent to be reachable. */
  readonly statedEndpoints?: readonly Endpoint[];
  /** Sent with the side channel's request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Loopback addresses are candidates: for meshes on one machine. */
  readonly loopbackCandidates?: boolean;
  /** Many sockets and probes where a NAT gives each destination another port; on unless switched off. */
  readonly punchesHardNats?: boolean | undefined;
  /** Ask the router before us for a port; on unless switched off, or the mesh is on one machine. */
  readonly mapsPorts?: boolean | undefined;
  readonly openSocket?: OpenSocket;
  /** Aborted: the start waits for the coordinator no longer, and fails. */
  readonly stopped?: AbortSignal | undefined;
  onEvent?(event: AgentEvent, atMs: number): void;
}

export interface RunningAgent {
  readonly id: AgentId;
  readonly socketEndpoints: readonly Endpoint[];
  /** What the coordinator said last. */
  readonly netmap: Netmap | undefined;
  /** A peer by name, id, or overlay address. */
  find(text: string): PeerInfo | undefined;
  /** Asks the machine, wherever it runs. */
  ask<K extends QuestionKind>(kind: K, about: Asked<K>): Promise<Answer<K>>;
  status(): Promise<AgentStatus>;
  ping(peer: AgentId, options: PingOptions): AsyncGenerator<PingResult>;
  /** Resolves when it cannot go on, for a reason that is another's to mend: stop it then. Otherwise never. */
  readonly refused: Promise<UserError>;
  stop(): Promise<void>;
}

export type AgentStatus = Answer<"status"> & {
  readonly id: AgentId;
  readonly version: string;
  readonly publicKey: string;
  readonly coordinator: ChannelState & { readonly url: string };
  readonly device: DeviceChoice;
  /** Whether packets are moved in bulk by a thread of their own. */
  readonly packets: AgentHost["kind"];
  readonly nowMs: number;
};
