/** What the control plane tells the data plane: plain data, fit for a message to another thread. */
import type { AgentId, RelayInfo, Route, SymmetricKey } from "@burrow/protocol";

export type DataPlaneUpdate =
  | { readonly type: "ticket-key"; readonly key: SymmetricKey }
  /** The whole map. */
  | { readonly type: "relays"; readonly relays: readonly RelayInfo[] }
  /** `replace`: `upsert` is all there is. */
  | {
      readonly type: "routes";
      readonly upsert: readonly Route[];
      readonly remove: readonly AgentId[];
      readonly replace: boolean;
    }
  | { readonly type: "revoke"; readonly agent: AgentId }
  | { readonly type: "drain"; readonly draining: boolean };
