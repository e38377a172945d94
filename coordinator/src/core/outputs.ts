/** What the mesh wants done, in order. Carrying it out is the shell's business. */
import type { AgentId, RelayId, ToAgent, ToRelay } from "@burrow/protocol";
import type { Happening } from "./happenings.ts";
import type { AgentHome, AgentSeen } from "./records.ts";
import type { RelayEntry } from "./relays.ts";

export type Output =
  | { readonly to: "agent"; readonly agent: AgentId; readonly message: ToAgent }
  /** The same text for many. */
  | { readonly to: "agents"; readonly agents: readonly AgentId[]; readonly message: ToAgent }
  | { readonly to: "relay"; readonly relay: RelayId; readonly message: ToRelay }
  | { readonly to: "relays"; readonly relays: readonly RelayId[]; readonly message: ToRelay }
  | { readonly to: "store"; readonly homes: readonly AgentHome[] }
  | { readonly to: "store"; readonly seen: readonly AgentSeen[] }
  | { readonly to: "store"; readonly relay: RelayId; readonly downSinceMs: number | undefined }
  | { readonly to: "log"; readonly event: MeshEvent }
  /** To whoever watches the mesh. */
  | { readonly to: "watchers"; readonly happenings: readonly Happening[] };

export type MeshEvent =
  | { readonly kind: "relay-state"; readonly entry: RelayEntry }
  | { readonly kind: "introduced"; readonly from: AgentId; readonly peer: AgentId }
  /** Asked for too often. */
  | { readonly kind: "introduction-dropped"; readonly from: AgentId; readonly peer: AgentId }
  | { readonly kind: "tickets"; readonly count: number }
  /** An agent is bound elsewhere than it was. */
  | { readonly kind: "home"; readonly from: RelayId | undefined; readonly to: RelayId | undefined };
