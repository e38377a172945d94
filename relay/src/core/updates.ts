/** What the control plane tells the data plane: plain data, fit for a message to another thread. */
import type { AgentId, Bytes, FellowRelay, Route, SymmetricKey } from "@burrow/protocol";
import type { Forwarder } from "./forwarder.ts";

export type DataPlaneUpdate =
  | { readonly type: "ticket-key"; readonly key: SymmetricKey }
  /** The whole map. */
  | { readonly type: "relays"; readonly relays: readonly FellowRelay[] }
  /** `replace`: `upsert` is all there is. */
  | {
      readonly type: "routes";
      readonly upsert: readonly Route[];
      readonly remove: readonly AgentId[];
      readonly replace: boolean;
    }
  | { readonly type: "revoke"; readonly agent: AgentId }
  | { readonly type: "drain"; readonly draining: boolean }
  /** Of an earlier life (memory.ts); and: a new piece of memory begins. */
  | { readonly type: "recall"; readonly records: Bytes }
  | { readonly type: "era" };

/** `selfKey`: the ticket key that the relay checks itself with; it opens tickets whatever the coordinator says. */
export function applyUpdate(
  forwarder: Forwarder,
  update: DataPlaneUpdate,
  selfKey: SymmetricKey,
  now: number,
): void {
  switch (update.type) {
    case "ticket-key":
      forwarder.setTicketKeys([update.key, selfKey]);
      return;
    case "relays":
      forwarder.setRelays(update.relays);
      return;
    case "routes":
      forwarder.setRoutes(update.upsert, update.remove, update.replace, now);
      return;
    case "revoke":
      forwarder.revoke(update.agent);
      return;
    case "drain":
      forwarder.setDraining(update.draining);
      return;
    case "recall":
      forwarder.recall(update.records, now);
      return;
    case "era":
      forwarder.beginEra();
      return;
  }
}
