/** Doors as relays state them: whatever that is, it harms nobody but itself. */
import { expect, test } from "bun:test";
import type { RelayId, RelayInfo } from "@burrow/protocol";
import { doorEndpoint } from "../core/relays/doors.ts";
import { WebsocketDoors } from "./websocket-doors.ts";

const ID = "00000000000000aa" as RelayId;

test("a URL or certificate that is none shuts this door and ends nothing", () => {
  const doors = new WebsocketDoors(() => {});
  const at = doorEndpoint(ID);
  const urls = ["wss://h:99999/x", "wss://[/x", "wss://a%b/", "wss://h/#part", "https://h/", "", "wss://"];
  try {
    for (const url of urls) {
      doors.learn([{ id: ID, websocket: { url, certificate: "none" } } as unknown as RelayInfo]);
      for (let n = 0; n < 3; n++) expect([url, doors.send(new Uint8Array(8), at)]).toEqual([url, true]);
    }
  } finally {
    doors.close();
  }
});
