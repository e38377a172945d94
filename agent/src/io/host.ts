/**
 * Where the agent's machine runs: in a thread of its own that moves packets by batched system calls, or on the main
 * thread over the portable socket. Whoever asks and tells need not know which.
 */
import type { openDualStack } from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";
import type { AgentCommand } from "../core/commands.ts";
import type { Answer, Asked, QuestionKind } from "../core/questions.ts";
import type { DeviceChoice, OverlayPlace } from "./devices.ts";
import type { ShellReport, ShellSettings } from "./shell.ts";

export type OpenSocket = typeof openDualStack;

export interface AgentHost {
  /** "thread": batched system calls in a thread of their own. */
  readonly kind: "thread" | "portable";
  readonly port: number;
  /** What the main socket is bound to. */
  readonly local: readonly Endpoint[];
  hasFamily(family: 4 | 6): boolean;
  /** Takes effect soon, in order. */
  command(command: AgentCommand): void;
  /** Whether the coordinator can be told anything from now on. */
  setChannel(isUp: boolean): void;
  ask<K extends QuestionKind>(kind: K, about: Asked<K>): Promise<Answer<K>>;
  /** Opens the TUN device of this name; `gone`: somebody else has removed it. */
  openTun(name: string, place: OverlayPlace, gone: () => void): Promise<void>;
  /** Says goodbye to the relays and closes sockets and device. */
  close(): Promise<void>;
}

export interface HostOptions {
  readonly settings: ShellSettings;
  readonly port: number;
  readonly device: DeviceChoice["kind"];
  /** Then the machine stays on this thread. */
  readonly openSocket: OpenSocket | undefined;
  report(report: ShellReport): void;
}
