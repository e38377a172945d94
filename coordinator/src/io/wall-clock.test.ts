/** A wall clock that is set while the coordinator runs: news go on, and what others read is by the clock as it is. */
import { afterEach, expect, test } from "bun:test";
import { TICKET_LIFE_MS } from "../core/ticket-office.ts";
import { TestCoordinator } from "../testing/coordinator.ts";

let coordinator: TestCoordinator;
afterEach(() => coordinator?.end());

for (const setByMs of [-3_600_000, 3_600_000]) {
  test(`set by ${setByMs / 3_600_000} h`, async () => {
    let aheadMs = 0;
    const unixNow = () => Date.now() + aheadMs;
    coordinator = await TestCoordinator.start({ unixNow });
    const relay = await coordinator.relay();
    const beat = setInterval(() => relay.client.heartbeat(), 500);
    const alice = await coordinator.agent({ name: "alice" });
    const readRelay = async () => (await coordinator.operator.relays())[0];
    const before = await readRelay();
    aheadMs = setByMs;
    const bob = await coordinator.agent({ name: "bob" });
    // News of bob, of a home, of a relay that is new: each has a moment in which it is due.
    await alice.client.next("peers", ({ upsert }) => upsert.some(({ name }) => name === "bob"));
    bob.client.send({ type: "home", home: relay.id, rtts: [], reason: "nearest" });
    await relay.client.next("routes", ({ upsert }) => upsert.some(({ agent }) => agent === bob.id));
    const second = await coordinator.relay();
    await alice.client.next("relays", ({ relays }) => relays.some(({ id }) => id === second.id));
    // What others judge by their own clocks.
    const expiresAtMs = bob.welcome.tickets[0]?.expiresAtMs ?? 0;
    expect(Math.abs(expiresAtMs - unixNow() - TICKET_LIFE_MS)).toBeLessThan(30_000);
    const made = await coordinator.operator.createToken({ for: "agent", expiresInMs: 60_000 });
    expect(Math.abs(made.expiresAtMs - unixNow() - 60_000)).toBeLessThan(30_000);
    await coordinator.client().asAgent({ token: made.token });
    // What people read: nobody is up since the future, or for an hour that was not.
    const after = await readRelay();
    expect(after?.state).toBe("healthy");
    const movedMs = (after?.sinceMs ?? 0) - (before?.sinceMs ?? 0);
    expect(Math.abs(movedMs - setByMs)).toBeLessThan(2_000);
    const agents = await coordinator.operator.agents();
    const connected = agents.find(({ id }) => id === alice.id)?.connectedSinceMs ?? 0;
    expect(Math.abs(connected - unixNow())).toBeLessThan(60_000);
    clearInterval(beat);
    // And what was written down is by the same clock after a restart.
    relay.client.close();
    for (let n = 0; n < 100 && (await readRelay())?.state !== "down"; n++) await Bun.sleep(100);
    const down = await readRelay();
    await coordinator.restart();
    expect(Math.abs(((await readRelay())?.sinceMs ?? 0) - (down?.sinceMs ?? 1e15))).toBeLessThan(2_000);
  }, 60_000);
}
