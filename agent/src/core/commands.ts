/** What an agent machine is told from outside the thread that it runs in: plain data, in order. */
import type { AgentId, Endpoint, ToAgent } from "@burrow/protocol";
import type { Agent } from "./agent.ts";
import type { Netmap } from "./contract.ts";
import type { Gateway } from "./port-mapping/gateway.ts";
import type { HttpAnswer } from "./port-mapping/igd.ts";

export type AgentCommand =
  | { readonly type: "message"; readonly message: ToAgent }
  | { readonly type: "restore"; readonly netmap: Netmap }
  /** The machine's addresses with the socket's port, and its router. */
  | { readonly type: "network"; readonly local: readonly Endpoint[]; readonly gateway: Gateway | undefined }
  | {
      readonly type: "ping";
      readonly peer: AgentId;
      readonly identifier: number;
      readonly sequence: number;
    }
  /** What came of an HTTP exchange with the router before us. */
  | { readonly type: "http-answer"; readonly id: number; readonly answer: HttpAnswer | undefined }
  /** A datagram that came by a relay's WebSocket. */
  | { readonly type: "door-datagram"; readonly datagram: Uint8Array; readonly from: Endpoint };

export function applyCommand(agent: Agent, command: AgentCommand, now: number): void {
  switch (command.type) {
    case "message":
      return agent.receiveMessage(command.message, now);
    case "restore":
      return agent.restore(command.netmap, now);
    case "network":
      return agent.setLocalEndpoints(command.local, now, command.gateway);
    case "ping": {
      const peer = agent.peers.get(command.peer);
      if (peer !== undefined) agent.ping(peer, command.identifier, command.sequence, now);
      return;
    }
    case "http-answer":
      return agent.mapper.answered(command.id, command.answer, now);
    case "door-datagram":
      return agent.receiveDatagram(command.datagram, command.from, now);
  }
}
