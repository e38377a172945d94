/** The coordinator from outside: real server, real WebSockets, real files. */
import { afterEach, describe, expect, test } from "bun:test";
import { agentIdOf, fromBase64, nobleSealer, openTicket, relayIdOf } from "@burrow/protocol";
import { TestCoordinator } from "./testing/coordinator.ts";

let coordinator: TestCoordinator;
afterEach(() => coordinator.end());

describe("enrolment", () => {
  test("an agent and a relay are let in by token, and later by key alone", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay({ region: "here", at: { lat: 1, lon: 2 } });
    expect(relay.id).toBe(relayIdOf(relay.client.publicKey));
    expect(relay.welcome.endpoints.map(String)).toEqual(["127.0.0.1:21820"]);

    const agent = await coordinator.agent({ name: "alice" });
    expect(agent.id).toBe(agentIdOf(agent.client.publicKey));
    expect(agent.welcome.agent).toMatchObject({ name: "alice", networkName: "default", ipv4: "100.64.0.1" });
    expect(agent.welcome.observed.address).toBe("127.0.0.1");
    expect(agent.welcome.relays).toMatchObject([{ id: relay.id, region: "here", state: "healthy" }]);
    expect(agent.welcome.ranking.map(({ relay }) => relay)).toEqual([relay.id]);

    const again = coordinator.client(agent.client.privateKey);
    expect((await again.asAgent()).agent).toEqual(agent.welcome.agent);
    const relayAgain = coordinator.client(relay.client.privateKey);
    expect((await relayAgain.asRelay({ region: "here" })).ticketKey).toBe(relay.welcome.ticketKey);
  });

  test("tickets open at their relay, and only there", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const { welcome, client } = await coordinator.agent({ acceptsOutside: true });
    const [granted] = welcome.tickets;
    const ticketKey = fromBase64(relay.welcome.ticketKey) ?? new Uint8Array();
    const opened = openTicket(
      fromBase64(granted?.ticket ?? "") ?? new Uint8Array(),
      relay.id,
      ticketKey,
      nobleSealer,
    );
    expect(opened).toMatchObject({ network: welcome.agent.network, acceptsOutside: true });
    if (typeof opened === "string") throw new Error(opened);
    expect(Buffer.from(opened.agentKey).equals(client.publicKey)).toBe(true);
    expect(opened.sessionKey).toEqual(fromBase64(granted?.sessionKey ?? "") ?? new Uint8Array());
    expect(opened.expiresAtMs).toBe(granted?.expiresAtMs ?? 0);
  });
});
