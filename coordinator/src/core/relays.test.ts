/** Heartbeats, silence, draining and restarts, on a virtual clock. */
import { describe, expect, test } from "bun:test";
import type { Endpoint, RelayId } from "@burrow/protocol";
import { LOAD, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { RECONNECT_GRACE_MS, RelayRegistry } from "./relays.ts";

const record = relayRecord(1);

/** Heartbeats every second for a while. */
function beat(virtual: VirtualMesh, seconds: number): void {
  for (let i = 0; i < seconds; i++) {
    virtual.heartbeat(record.id);
    virtual.pass(1000);
  }
}

describe("heartbeats", () => {
  test("a relay that falls silent is down within 5 s, with reason and since when", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    beat(virtual, 60);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.heartbeat(record.id);
    const silentAt = virtual.now;
    virtual.pass(4000);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.pass(1000);
    const entry = virtual.mesh.relays.get(record.id);
    expect(entry?.state).toBe("down");
    expect(entry?.reason).toContain("no heartbeat for 4 s");
    expect((entry?.sinceMs ?? 0) - silentAt).toBeLessThanOrEqual(5000);
    expect(virtual.outputs).toContainEqual({ to: "store", relay: record.id, downSinceMs: entry?.sinceMs });
  });

  test("one that never sends any is down as soon", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    virtual.pass(5000);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("down");
  });

  test("comes back with the next heartbeat", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    virtual.pass(10_000);
    virtual.heartbeat(record.id);
    expect(virtual.mesh.relays.get(record.id)).toMatchObject({ state: "healthy", sinceMs: virtual.now });
    expect(virtual.outputs).toContainEqual({ to: "store", relay: record.id, downSinceMs: undefined });
  });

  test("a closed channel alone does not kill it: its data plane needs none", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    virtual.do((mesh) => mesh.relayDisconnected(record.id));
    virtual.pass(3900);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.relay(record);
    virtual.pass(3900);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.do((mesh) => mesh.relayDisconnected(record.id));
    virtual.pass(5000);
    expect(virtual.mesh.relays.get(record.id)).toMatchObject({
      state: "down",
      reason: "its channel closed and it did not come back",
    });
  });

  test("when this process itself was away, heartbeats still in the socket get their chance", () => {
    const registry = new RelayRegistry([], 0);
    registry.connected(record, 0);
    registry.tick(500);
    // Stopped for a minute; the timer fires before the sockets are read.
    expect(registry.tick(60_000)).toEqual([]);
    registry.heartbeat(record.id, LOAD, false, 60_001);
    expect(registry.tick(60_500)).toEqual([]);
    for (let now = 61_000; now <= 64_000; now += 500) expect(registry.tick(now)).toEqual([]);
    expect(registry.tick(64_500)).toHaveLength(1);
  });

  test("a clock set back makes nobody immortal", () => {
    const registry = new RelayRegistry([], 1_000_000);
    registry.connected(record, 1_000_000);
    for (let now = 0; now <= RECONNECT_GRACE_MS; now += 500) registry.tick(now);
    expect(registry.tick(RECONNECT_GRACE_MS + 500)).toHaveLength(1);
  });
});

describe("after a restart of the coordinator", () => {
  test("known relays stay as they were until they have had time to come back", () => {
    const down = relayRecord(2, { downSinceMs: 5 });
    const virtual = new VirtualMesh([], [record, down]);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    expect(virtual.mesh.relays.get(down.id)).toMatchObject({ state: "down", sinceMs: 5 });
    virtual.pass(RECONNECT_GRACE_MS);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.pass(1000);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("down");
  });
});

describe("draining", () => {
  test("by an operator: pushed, shown, and kept over heartbeats that know nothing of it", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    const drained = { ...record, drainRequested: true };
    virtual.do((mesh, now) => mesh.drainRequested(drained, now));
    expect(virtual.sentTo(record.id)).toContainEqual({ type: "drain", draining: true });
    virtual.heartbeat(record.id, false);
    expect(virtual.mesh.relays.get(record.id)).toMatchObject({
      state: "draining",
      reason: "an operator asked it to drain",
    });
    virtual.do((mesh, now) => mesh.drainRequested(record, now));
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
  });

  test("by itself, and told again to one that reconnects", () => {
    const virtual = new VirtualMesh();
    virtual.relay(record);
    virtual.heartbeat(record.id, true);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("draining");
    virtual.heartbeat(record.id, false);
    expect(virtual.mesh.relays.get(record.id)?.state).toBe("healthy");
    virtual.forgetOutputs();
    virtual.relay({ ...record, drainRequested: true });
    expect(virtual.sentTo(record.id).map(({ type }) => type)).toEqual(["welcome", "drain"]);
  });
});

test("an endpoint is another relay's while that one is up and answers the coordinator there", () => {
  const virtual = new VirtualMesh();
  const [holder, claimant] = [relayRecord(1), relayRecord(2)];
  const [at] = holder.endpoints as [Endpoint];
  const isHeld = (than: RelayId) => virtual.mesh.relays.isHeldByOther(at, than);
  virtual.relay(holder);
  expect([isHeld(claimant.id), isHeld(holder.id)]).toEqual([true, false]);
  // Nobody else is there whom the coordinator could see, so that it takes nobody down; yet it is no proof either.
  for (let n = 0; n < 3; n++) virtual.do((mesh, now) => mesh.relayProbed(holder.id, undefined, now));
  virtual.heartbeat(holder.id);
  expect(virtual.mesh.relays.get(holder.id)?.state).toBe("healthy");
  expect(isHeld(claimant.id)).toBe(false);
  virtual.do((mesh, now) => mesh.relayProbed(holder.id, 3, now));
  expect(isHeld(claimant.id)).toBe(true);
  virtual.do((mesh) => mesh.relayDisconnected(holder.id));
  expect(isHeld(claimant.id)).toBe(false);
  virtual.relay(holder);
  expect(isHeld(claimant.id)).toBe(true);
  virtual.pass(10_000);
  expect(isHeld(claimant.id)).toBe(false);
});
