/** The coordinator in the simulated world: the real mesh machine, a store that is a map, and channels with delay. */
import {
  type AgentId,
  type FromAgent,
  type FromRelay,
  fromAgent,
  parseMessage,
  type RelayId,
} from "@burrow/protocol";
import { Mesh } from "../../../coordinator/src/core/mesh.ts";
import type { Output } from "../../../coordinator/src/core/outputs.ts";
import type { AgentRecord, NetworkRecord, RelayRecord } from "../../../coordinator/src/core/records.ts";
import type { Clock } from "../clock.ts";
import { outermostAddresses } from "../net/network.ts";
import type { Random } from "../random.ts";
import type { AgentNode } from "./agent.ts";
import { Channel } from "./channel.ts";
import { sealer } from "./crypto.ts";
import { Driver } from "./machine.ts";
import type { RelayNode } from "./relay.ts";

interface Client<Node> {
  readonly node: Node;
  readonly channel: Channel;
}

export class CoordinatorNode {
  mesh: Mesh;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #network: NetworkRecord;
  readonly #agentRecords = new Map<AgentId, AgentRecord>();
  readonly #relayRecords = new Map<RelayId, RelayRecord>();
  readonly #agents = new Map<AgentId, Client<AgentNode>>();
  readonly #relays = new Map<RelayId, Client<RelayNode>>();
  #driver: Driver;
  #isUp = true;

  constructor(clock: Clock, network: NetworkRecord, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#network = network;
    ({ mesh: this.mesh, driver: this.#driver } = this.#make());
  }

  /** A client connects. Undefined while the coordinator is away. */
  agentCame(node: AgentNode): Channel | undefined {
    if (!this.#isUp) return undefined;
    const channel = new Channel(this.#clock, this.#random.between(5, 60));
    this.#agents.get(node.id)?.channel.close();
    this.#agents.set(node.id, { node, channel });
    const record = this.#agentRecords.get(node.id) ?? node.record;
    this.#agentRecords.set(node.id, record);
    this.#do((mesh, now) => {
      const presence = {
        connectedSinceMs: now,
        address: outermostAddresses(node.host)[0] ?? "",
        location: undefined,
        acceptsOutside: false,
      };
      mesh.agentConnected(record, this.#network, presence, now);
    });
    return channel;
  }

  agentGone(id: AgentId): void {
    this.#agents.get(id)?.channel.close();
    this.#agents.delete(id);
    if (this.#isUp) this.#do((mesh, now) => mesh.agentDisconnected(id, now));
  }

  agentSays(id: AgentId, channel: Channel, message: FromAgent): boolean {
    return channel.carry(
      (text) => parseMessage(fromAgent, text),
      message,
      (parsed) => this.#do((mesh, now) => mesh.agentSaid(id, parsed, now)),
    );
  }

  relayCame(node: RelayNode): Channel | undefined {
    if (!this.#isUp) return undefined;
    const channel = new Channel(this.#clock, this.#random.between(5, 60));
    this.#relays.set(node.id, { node, channel });
    const record = this.#relayRecords.get(node.id) ?? node.record;
    this.#relayRecords.set(node.id, record);
    this.#do((mesh, now) => mesh.relayConnected(record, now));
    return channel;
  }

  /** Heartbeats have no schema worth its price at one a second and relay. */
  relaySays(id: RelayId, channel: Channel, message: FromRelay): void {
    if (channel.isOpen) this.#do((mesh, now) => mesh.relaySaid(id, message, now));
  }

  /** The process is gone, and all channels with it. What the store holds remains. */
  kill(): void {
    this.#isUp = false;
    this.#driver.stop();
    const clients = [...this.#agents.values(), ...this.#relays.values()];
    this.#agents.clear();
    this.#relays.clear();
    for (const { node } of clients) node.channelLost();
  }

  revive(): void {
    this.#isUp = true;
    ({ mesh: this.mesh, driver: this.#driver } = this.#make());
  }

  #do(input: (mesh: Mesh, now: number) => void): void {
    if (!this.#isUp) return;
    this.#driver.run((now) => {
      // Whole milliseconds of its own clock: a fraction would show in no message.
      input(this.mesh, Math.floor(now));
      this.#carryOut();
    });
  }

  #carryOut(): void {
    for (const output of this.mesh.takeOutputs()) this.#deliver(output);
  }

  #deliver(output: Output): void {
    switch (output.to) {
      case "agent":
        return this.#toAgent(output.agent, output.message);
      case "agents":
        for (const agent of output.agents) this.#toAgent(agent, output.message);
        return;
      case "relay":
        return this.#toRelay(this.#relays.get(output.relay), output.message);
      case "relays":
        for (const relay of output.relays) this.#toRelay(this.#relays.get(relay), output.message);
        return;
      case "store":
        if ("homes" in output) {
          for (const { agent, home, standby } of output.homes) {
            const record = this.#agentRecords.get(agent);
            if (record !== undefined) this.#agentRecords.set(agent, { ...record, home, standby });
          }
        } else if ("relay" in output) {
          const record = this.#relayRecords.get(output.relay);
          if (record !== undefined) {
            this.#relayRecords.set(output.relay, { ...record, downSinceMs: output.downSinceMs });
          }
        }
        return;
      default:
        return;
    }
  }

  #toAgent(id: AgentId, message: unknown): void {
    // The coordinator answers a connection before the client has the channel in hand: it always has an entry here.
    const client = this.#agents.get(id);
    client?.channel.carry(client.node.parse, message, (parsed) => client.node.take(parsed));
  }

  #toRelay(client: Client<RelayNode> | undefined, message: unknown): void {
    client?.channel.carry(client.node.parse, message, (parsed) => client.node.take(parsed));
  }

  #make(): { mesh: Mesh; driver: Driver } {
    const mesh = new Mesh({
      agents: [...this.#agentRecords.values()],
      relays: [...this.#relayRecords.values()],
      sealer,
      random: this.#random.bytes,
      now: this.#clock.nowMs,
    });
    const driver = new Driver(this.#clock, "coordinator", 0, {
      nextDeadline: () => {
        const deadline = mesh.nextDeadline();
        return deadline === undefined ? undefined : Math.ceil(deadline);
      },
      tick: (now) => {
        mesh.tick(Math.floor(now));
        this.#carryOut();
      },
    });
    return { mesh, driver };
  }
}
