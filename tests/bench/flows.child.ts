/** Sets up flows in another network namespace: one JSON argument, the records go to its `path`. */
import { writeFile } from "node:fs/promises";
import { fromBase64 } from "@burrow/protocol";
import { type FlowPlan, type RelayDoor, setUpFlows } from "./flows.ts";

interface Order {
  readonly door: Omit<RelayDoor, "ticketKey"> & { readonly ticketKey: string };
  readonly plan: FlowPlan;
  readonly path: string;
}

const { door, plan, path } = JSON.parse(process.argv[2] ?? "{}") as Order;
const ticketKey = fromBase64(door.ticketKey) ?? new Uint8Array(0);
await writeFile(path, await setUpFlows({ ...door, ticketKey }, plan));
process.exit(0);
