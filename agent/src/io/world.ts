/**
 * The main thread's part of a running agent: what its machine reports goes to the side channel, the relays' WebSocket
 * doors, the borrowed interface, the saved map, the log, and whoever waits for an answer.
 */
import { randomInt } from "node:crypto";
import { setRouteMtu } from "@burrow/platform";
import { endpoint, type PeerInfo, type RelayId, UserError } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Netmap } from "../core/contract.ts";
import type { AgentEvent } from "../core/events.ts";
import type { PathTarget } from "../core/paths/path.ts";
import { leaseText } from "../core/port-mapping/port-mapper.ts";
import type { BorrowedInterface } from "./borrowed-interface.ts";
import type { DeviceChoice } from "./devices.ts";
import { exchangeHttp } from "./gateway-http.ts";
import type { AgentHost } from "./host.ts";
import { NetmapSaver } from "./netmap-file.ts";
import { AddressWatch } from "./outside-clients.ts";
import { PeerMtus } from "./peer-mtus.ts";
import { Pinger } from "./pinger.ts";
import type { AgentConfig } from "./running-agent.ts";
import { clock, type ShellReport } from "./shell.ts";
import type { SideChannel } from "./side-channel.ts";
import { STAND_IN_ADDRESS, type StandInPlace } from "./stand-ins.ts";
import { WebsocketDoors } from "./websocket-doors.ts";

const log = getLogger(["burrow", "agent"]);
const IDENTIFIERS = 0x1_0000;
/** A router answers within milliseconds, old ones take a second to think. */
const HTTP_TIMEOUT_MS = 3_000;

export class World {
  host: AgentHost | undefined;
  channel: SideChannel | undefined;
  netmap: Netmap | undefined;
  #home: RelayId | undefined;
  readonly pinger: Pinger;
  readonly #config: AgentConfig;
  readonly #borrowed: BorrowedInterface | undefined;
  readonly #saver: NetmapSaver;
  readonly #addressWatch: AddressWatch;
  readonly #peerMtus: PeerMtus | undefined;
  readonly #doors: WebsocketDoors;
  readonly #firstWord = Promise.withResolvers<Netmap>();

  constructor(config: AgentConfig, borrowed: BorrowedInterface | undefined, firstSequence: number) {
    this.#config = config;
    this.#borrowed = borrowed;
    this.#saver = new NetmapSaver(config.stateDir, {
      coordinatorUrl: config.coordinatorUrl,
      firstSequence,
    });
    this.#addressWatch = new AddressWatch(config.clients ?? []);
    this.#peerMtus = peerMtusOf(config.device, borrowed, () => this.netmap?.agent);
    this.#doors = new WebsocketDoors((datagram, from) =>
      this.host?.command({ type: "door-datagram", datagram, from }),
    );
    this.pinger = new Pinger(
      (peer, identifier, sequence) => this.host?.command({ type: "ping", peer, identifier, sequence }),
      randomInt(IDENTIFIERS),
    );
  }

  /** The first map that the coordinator gives; rejects with a UserError if it refuses us instead. */
  get firstWord(): Promise<Netmap> {
    return this.#firstWord.promise;
  }

  find(text: string): PeerInfo | undefined {
    const wanted = text.toLowerCase();
    return this.netmap?.peers.find(({ id, name, ipv4, ipv6 }) => [id, name, ipv4, ipv6].includes(wanted));
  }

  heard(report: ShellReport): void {
    switch (report.type) {
      case "say":
        this.channel?.send(report.message);
        return;
      case "event":
        return this.#happened(report.event, report.atMs);
      case "netmap":
        return this.#learned(report.netmap);
      case "http":
        exchangeHttp(report.request, HTTP_TIMEOUT_MS).then((answer) =>
          this.host?.command({ type: "http-answer", id: report.id, answer }),
        );
        return;
      case "door-datagram":
        this.#doors.send(report.datagram, report.to);
        return;
      case "stand-in":
        return this.#standIn(report.place);
      case "stand-in-removed":
        this.#borrowed
          ?.dropPeer(report.key)
          .catch((error: unknown) => this.#notTold("removed from", report.key, error));
        return;
      case "trouble":
        return logTrouble(report);
    }
  }

  async close(): Promise<void> {
    this.#doors.close();
    await this.#saver.close();
  }

  #happened(event: AgentEvent, atMs: number): void {
    if (event.type === "echo") this.pinger.answered(event.reply);
    else if (event.type === "mtu") this.#peerMtus?.set(event.peer, event.mtuBytes);
    else if (event.type === "refused") {
      this.#firstWord.reject(new UserError(event.message, event.remedy));
    } else this.#log(event);
    this.#config.onEvent?.(event, atMs);
  }

  #log(event: AgentEvent): void {
    switch (event.type) {
      case "home": {
        const { home, region = "none", reason } = event;
        const isNews = home !== this.#home;
        this.#home = home;
        // The standby's moves are of no interest to people.
        log[isNews ? "info" : "debug"]("home relay: {region} ({reason})", { region, reason });
        return;
      }
      case "relay":
        return log.debug("relay {region}: {event}, {detail}", {
          region: event.region,
          event: event.event,
          detail: event.detail,
        });
      case "path": {
        const { name, reason } = event;
        // Whom nobody talks to has some relay or other.
        log[reason === "idle" ? "debug" : "info"]("{name}: {path} ({reason})", {
          name,
          path: this.#describe(event.to),
          reason,
        });
        return;
      }
      case "port-mapping":
        return log.info("{what}", { what: leaseText(event.lease) });
      case "first-data":
        return log.info("{name}: first data, by {path}", {
          name: event.name,
          path: this.#describe(event.via),
        });
      default:
        return;
    }
  }

  #describe(target: PathTarget | undefined): string {
    if (target === undefined) return "no path";
    if (target.kind === "direct") return `direct ${target.endpoint}`;
    const region = this.netmap?.relays.find(({ id }) => id === target.relay)?.region;
    return `relay ${region === undefined ? target.relay : `${region} (${target.relay})`}`;
  }

  #learned(netmap: Netmap): void {
    this.netmap = netmap;
    this.#firstWord.resolve(netmap);
    this.#saver.save(netmap);
    this.#doors.learn(netmap.relays);
    this.#addressWatch.look([netmap.agent, ...netmap.peers]);
    this.#config.onEvent?.({ type: "netmap" }, clock());
  }

  #standIn({ key, port, allowedIps }: StandInPlace): void {
    this.#borrowed
      ?.setPeer(key, { endpoint: endpoint(STAND_IN_ADDRESS, port), allowedIps: [...allowedIps] })
      .catch((error: unknown) => this.#notTold("set on", key, error));
  }

  #notTold(doing: string, peer: string, error: unknown): void {
    log.error("peer {peer} could not be {doing} the WireGuard interface: {error}", {
      peer,
      doing,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Where a device has routes, those to peers behind narrow paths get an MTU of their own. */
function peerMtusOf(
  device: DeviceChoice,
  borrowed: BorrowedInterface | undefined,
  own: () => Netmap["agent"] | undefined,
): PeerMtus | undefined {
  if (device.kind === "none") return undefined;
  return new PeerMtus(own, (address, source, mtuBytes) =>
    borrowed === undefined
      ? setRouteMtu(device.name, address, source, mtuBytes)
      : borrowed.setRouteMtu(address, source, mtuBytes),
  );
}

function logTrouble({ kind, problem }: Extract<ShellReport, { type: "trouble" }>): void {
  switch (kind) {
    case "mistake":
      return log.error("a mistake in the agent, please report it: {problem}", { problem });
    case "stand-in":
      return log.error("a peer's endpoint for the WireGuard interface could not be opened: {problem}", {
        problem,
      });
    case "sockets":
      return log.warn("not all sockets for punching could be opened: {problem}", { problem });
  }
}
