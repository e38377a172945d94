/** What an agent machine needs from the world and gives to it: options, outputs, and what it remembers. */
import type { Agreement, Endpoint, FromAgent, PublicKey, Sealer, ToAgent } from "@burrow/protocol";
import type { AgentEvent } from "./events.ts";
import type { Packets } from "./packets.ts";
import type { HttpRequest } from "./port-mapping/igd.ts";
import type { Tunnel, TunnelSink } from "./tunnel.ts";

export type Welcome = Extract<ToAgent, { type: "welcome" }>;
/** What the coordinator told us last: enough to start without it. */
export type Netmap = Omit<Welcome, "type">;

/** A peer that runs plain WireGuard and reaches us through a relay. */
export interface OutsideClient {
  readonly key: PublicKey;
  readonly allowedIps: readonly string[];
}

export interface SendOptions {
  /** One of the further sockets; the main one when absent. */
  readonly socket?: number | undefined;
  /** IP time-to-live, when the datagram is not meant to arrive. */
  readonly ttl?: number | undefined;
  /** Not in fragments: it arrives as it is or not at all, as far as the system lets us say so. */
  readonly whole?: boolean | undefined;
}

export interface AgentSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint, how?: SendOptions): void;
  /** Many to one endpoint, in order; valid during the call, or, where they are not copied, until it sends them all. */
  sendDatagrams(datagrams: Packets, to: Endpoint, socket: number | undefined, ecn: number): void;
  /** Open further UDP sockets (IPv4); `Agent.socketsOpened` is called with their ids, which are not zero. */
  openSockets(count: number): void;
  closeSockets(ids: readonly number[]): void;
  /** An HTTP exchange with the router before us; `mapper.answered` is called with what came of it. */
  requestHttp(id: number, request: HttpRequest): void;
  /** IP packets for the device; valid during the call. */
  deliver(packets: Packets): void;
  /** To the coordinator. False when the side channel is down: the message is then not kept. */
  sendMessage(message: FromAgent): boolean;
  event(event: AgentEvent): void;
}

export interface AgentOptions {
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
  readonly sealer: Sealer;
  readonly agreement: Agreement;
  readonly random: (length: number) => Uint8Array;
  readonly makeTunnel: (sink: TunnelSink) => Tunnel;
  /** No device answers pings: the agent does. */
  readonly answersEchoes: boolean;
  readonly loopbackCandidates: boolean;
  /** Whether to punch NATs that give each destination another port, by many sockets and probes (puncher.ts). */
  readonly punchesHardNats: boolean;
  /** Whether to ask the router before us for a port, by PCP, NAT-PMP or UPnP (port-mapping/). */
  readonly mapsPorts: boolean;
  readonly statedEndpoints: readonly Endpoint[];
  readonly outsideClients: readonly OutsideClient[];
  /** On the clock of all `now`s, which should be Unix milliseconds. */
  readonly startedAt: number;
  /** Of Binds and introductions: above all that earlier runs used, else relays and peers take them for captured ones. */
  readonly firstSequence: number;
}
