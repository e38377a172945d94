/** The coordinator's own look at data ports, over real sockets: whose answer it is, the seal tells. */
import { expect, test } from "bun:test";
import { nativePrimitives, openDualStack, randomBytes, sealerOf } from "@burrow/platform";
import {
  BindStatus,
  bindTicket,
  COOKIE_LENGTH,
  encodeBound,
  endpoint,
  isRefusal,
  openBind,
  openTicket,
  type RelayId,
} from "@burrow/protocol";
import type { RelayEntry } from "../core/relays.ts";
import { relayRecord } from "../testing/mesh.ts";
import { PortProbes } from "./port-probes.ts";

const sealer = sealerOf(nativePrimitives());

test("a relay that claims another's address goes unanswered, and takes no answer from it", async () => {
  const honest = relayRecord(1);
  const port = await openDualStack({
    port: 0,
    onBatch: (batch) => {
      for (let i = 0; i < batch.count; i++) {
        const datagram = batch.bytes(i).slice();
        const sealed = bindTicket(datagram);
        const ticket =
          typeof sealed === "string" ? sealed : openTicket(sealed, honest.id, honest.ticketKey, sealer);
        if (isRefusal(ticket)) continue;
        const bind = openBind(datagram, ticket.sessionKey, sealer);
        if (isRefusal(bind)) continue;
        const bound = {
          status: BindStatus.bound,
          observed: endpoint("127.0.0.1", 1),
          cookie: new Uint8Array(COOKIE_LENGTH),
          lifetimeS: 60,
        };
        port.send(
          batch.source(i),
          encodeBound({ sequence: bind.sequence, ...bound }, ticket.sessionKey, randomBytes(24), sealer),
        );
      }
      port.flush();
    },
  });
  const at = [endpoint("127.0.0.1", port.port)];
  // Relays are asked a tenth at a time: the claimant in the same moment as the honest one, and after it.
  const entries = Array.from({ length: 11 }, (_, n): RelayEntry => {
    const record = n === 0 ? honest : relayRecord(n + 1);
    const isThere = n === 0 || n === 10;
    const state = isThere ? "healthy" : "down";
    return { record: { ...record, endpoints: at }, state, reason: "", sinceMs: 0, connected: isThere };
  });
  const heard = new Map<RelayId, (number | undefined)[]>();
  const probes = new PortProbes({
    relays: () => entries,
    sealer,
    random: randomBytes,
    now: Date.now,
    probed: (relay, rttMs) => heard.set(relay, [...(heard.get(relay) ?? []), rttMs]),
  });
  await probes.start();
  const claimant = entries[10]?.record.id as RelayId;
  for (let n = 0; n < 100 && (heard.get(claimant)?.length ?? 0) < 2; n++) await Bun.sleep(100);
  probes.stop();
  port.close();
  const answered = (relay: RelayId) => heard.get(relay)?.filter((rttMs) => rttMs !== undefined).length;
  expect(heard.get(claimant)?.length).toBeGreaterThanOrEqual(2);
  expect(answered(claimant)).toBe(0);
  expect(answered(honest.id)).toBeGreaterThanOrEqual(1);
});
