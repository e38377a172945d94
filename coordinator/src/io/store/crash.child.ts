/** Enrols agents as fast as it can until somebody kills it; says each one's number once it is acknowledged. */
import { keyToText, type NetworkId } from "@burrow/protocol";
import { keyOf } from "../../testing/mesh.ts";
import { openSqliteStore } from "./sqlite.ts";

const [path = "", first = "0", hash = ""] = process.argv.slice(2);
const store = openSqliteStore(path);
await store.createToken(
  {
    hash,
    kind: "agent",
    networkName: "default",
    freshNetworkId: "0000000000000001" as NetworkId,
    usesMax: 200,
    expiresAtMs: 10,
  },
  0,
);
console.log("token");

let next = Number(first);
async function enrolForever(): Promise<void> {
  for (;;) {
    const n = next++;
    const outcome = await store.enrolAgent({ key: keyToText(keyOf(n)), tokenHash: hash, version: "1" }, 1);
    if (outcome.kind === "refused") return;
    console.log(`${n} ${outcome.record.addressIndex}`);
  }
}
await Promise.all(Array.from({ length: 8 }, enrolForever));
console.log("done");
