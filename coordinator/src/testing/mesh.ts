/** A mesh on a virtual clock: records without a store, outputs by receiver. */
import {
  type AgentId,
  agentIdOf,
  endpoint,
  keyToText,
  type NetworkId,
  nobleSealer,
  type RelayId,
  type RelayLoad,
  relayIdOf,
  type ToAgent,
  type ToRelay,
} from "@burrow/protocol";
import type { GeoLocation } from "../core/geo.ts";
import { Mesh } from "../core/mesh.ts";
import type { Output } from "../core/outputs.ts";
import type { AgentRecord, NetworkRecord, RelayRecord } from "../core/records.ts";

export const LOAD: RelayLoad = { sessions: 0, flows: 0, packets: 0, bytes: 0, drops: {} };
export const NETWORK: NetworkRecord = {
  id: "00000000000000aa" as NetworkId,
  name: "default",
  createdAtMs: 0,
};

/** 32 bytes that differ for every n. */
export function keyOf(n: number): Uint8Array {
  const key = new Uint8Array(32).fill(7);
  new DataView(key.buffer).setUint32(0, n);
  return key;
}

export function agentRecord(n: number, more: Partial<AgentRecord> = {}): AgentRecord {
  const key = keyOf(n);
  return {
    id: agentIdOf(key),
    key: keyToText(key),
    network: NETWORK.id,
    name: `a${n}`,
    addressIndex: n,
    version: "test",
    enrolledAtMs: 0,
    ...more,
  };
}

export function relayRecord(n: number, more: Partial<RelayRecord> = {}): RelayRecord {
  const key = keyOf(100_000 + n);
  return {
    id: relayIdOf(key),
    key: keyToText(key),
    ticketKey: keyOf(200_000 + n),
    region: `region-${n}`,
    endpoints: [endpoint(`192.0.2.${n}`, 21820)],
    version: "test",
    enrolledAtMs: 0,
    drainRequested: false,
    ...more,
  };
}

export class VirtualMesh {
  now = 1_000_000;
  readonly mesh: Mesh;
  readonly outputs: Output[] = [];

  constructor(agents: readonly AgentRecord[] = [], relays: readonly RelayRecord[] = []) {
    let counter = 0;
    const random = (length: number) => new Uint8Array(length).fill(++counter);
    this.mesh = new Mesh({ agents, relays, sealer: nobleSealer, random, now: this.now });
  }

  /** Lets time pass, ticking exactly when the machine asks for it. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.mesh.nextDeadline();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
      this.mesh.tick(this.now);
      this.#take();
    }
    this.now = end;
  }

  relay(record: RelayRecord): RelayId {
    this.mesh.relayConnected(record, this.now);
    this.#take();
    return record.id;
  }

  heartbeat(relay: RelayId, draining = false): void {
    this.mesh.relaySaid(relay, { type: "heartbeat", load: LOAD, draining }, this.now);
    this.#take();
  }

  agent(record: AgentRecord, location?: GeoLocation): AgentId {
    const presence = { connectedSinceMs: this.now, address: "192.0.2.1", location, acceptsOutside: false };
    this.mesh.agentConnected(record, { ...NETWORK, id: record.network }, presence, this.now);
    this.#take();
    return record.id;
  }

  do(input: (mesh: Mesh, now: number) => void): void {
    input(this.mesh, this.now);
    this.#take();
  }

  /** What an agent or a relay has been sent so far, in order. */
  sentTo(id: AgentId | RelayId): (ToAgent | ToRelay)[] {
    return this.outputs.flatMap((output) => {
      const mine =
        (output.to === "agent" && output.agent === id) ||
        (output.to === "agents" && output.agents.includes(id as AgentId)) ||
        (output.to === "relay" && output.relay === id) ||
        (output.to === "relays" && output.relays.includes(id as RelayId));
      return mine && "message" in output ? [output.message] : [];
    });
  }

  toAgent<Type extends ToAgent["type"]>(id: AgentId, type: Type): Extract<ToAgent, { type: Type }>[] {
    return this.outputs.flatMap((output) => {
      const mine =
        (output.to === "agent" && output.agent === id) ||
        (output.to === "agents" && output.agents.includes(id));
      return mine && output.message.type === type ? [output.message as Extract<ToAgent, { type: Type }>] : [];
    });
  }

  toRelays<Type extends ToRelay["type"]>(type: Type): Extract<ToRelay, { type: Type }>[] {
    return this.outputs.flatMap((output) =>
      output.to === "relays" && output.message.type === type
        ? [output.message as Extract<ToRelay, { type: Type }>]
        : [],
    );
  }

  forgetOutputs(): void {
    this.outputs.length = 0;
  }

  #take(): void {
    this.outputs.push(...this.mesh.takeOutputs());
  }
}
