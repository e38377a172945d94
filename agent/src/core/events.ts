/** What an agent tells those who watch it: its log, its local API, the demo. Times are the machine's clock. */
import type { AgentId, PeerInfo, RelayId } from "@burrow/protocol";
import type { PathTarget } from "./paths/path.ts";
import type { Lease } from "./port-mapping/port-mapper.ts";

export type AgentEvent =
  | {
      readonly type: "home";
      readonly home: RelayId | undefined;
      readonly standby: RelayId | undefined;
      readonly region: string | undefined;
      readonly reason: string;
    }
  | {
      readonly type: "relay";
      readonly relay: RelayId;
      readonly region: string;
      readonly event: "bound" | "silent" | "refused";
      readonly detail: string;
    }
  | {
      readonly type: "path";
      readonly peer: AgentId;
      readonly name: string;
      readonly from: PathTarget | undefined;
      readonly to: PathTarget | undefined;
      readonly reason: string;
    }
  /** The largest packet that the path in use to a peer carries inside the tunnel; undefined: all that the device has. */
  | { readonly type: "mtu"; readonly peer: PeerInfo; readonly mtuBytes: number | undefined }
  /** First data from a peer since it was last silent for long. */
  | { readonly type: "first-data"; readonly peer: AgentId; readonly name: string; readonly via: PathTarget }
  /** The router before us gave our socket an outside port, another one, or took it back. */
  | { readonly type: "port-mapping"; readonly lease: Lease | undefined }
  | { readonly type: "echo"; readonly peer: AgentId; readonly reply: EchoReply }
  | { readonly type: "refused"; readonly code: string; readonly message: string; readonly remedy: string }
  /** Relay map, tickets or peers changed: worth saving for a start without the coordinator. */
  | { readonly type: "netmap" };

/** An answer to `burrow ping`. */
export interface EchoReply {
  readonly identifier: number;
  readonly sequence: number;
  readonly rttMs: number;
  /** By which path the answer came. */
  readonly via: PathTarget;
}
