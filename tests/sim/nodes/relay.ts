/** A relay in the simulated world: the real forwarder, told by the coordinator what a relay is told. */
import {
  type Endpoint,
  fromBase64,
  keyToText,
  type Place,
  parseMessage,
  type RelayId,
  relayIdOf,
  type ToRelay,
  toRelay,
} from "@burrow/protocol";
import type { RelayRecord } from "../../../coordinator/src/core/records.ts";
import { Forwarder, HANDLED } from "../../../relay/src/core/forwarder.ts";
import { type Limits, SMALL_LIMITS } from "../../../relay/src/core/limits.ts";
import { ReachNews } from "../../../relay/src/core/reach-news.ts";
import type { Clock } from "../clock.ts";
import type { Host } from "../net/host.ts";
import type { Network } from "../net/network.ts";
import type { Random } from "../random.ts";
import { AddressBook } from "./address-book.ts";
import type { Channel } from "./channel.ts";
import type { CoordinatorNode } from "./coordinator.ts";
import { agreement, type KeyPair, keyPair, sealer, trunkMac } from "./crypto.ts";
import { Driver } from "./machine.ts";
import { isPassage, type Passage } from "./passages.ts";

const HEARTBEAT_MS = 1_000;
/** A world has a handful of agents: small tables are quick to make and to sweep. */
const LIMITS: Limits = { ...SMALL_LIMITS, partiesMax: 128, sessionsMax: 64, outsideMax: 8, flowsMax: 128 };

export interface RelayNodeOptions {
  readonly region: string;
  readonly at: Place;
  readonly skewMs: number;
  readonly random: Random;
  /** Whether it opens a door for agents whose network blocks UDP. */
  readonly hasDoor: boolean;
}

export class RelayNode {
  readonly id: RelayId;
  readonly region: string;
  readonly record: RelayRecord;
  readonly host: Host;
  /** The data plane hangs while the control plane lives on. */
  isDeaf = false;
  forwarder: Forwarder;

  readonly parse = (text: string) => parseMessage(toRelay, text);
  readonly #clock: Clock;
  readonly #net: Network;
  readonly #coordinator: CoordinatorNode;
  readonly #options: RelayNodeOptions;
  readonly #keys: KeyPair;
  #boot = 0;
  #isUp = true;
  #draining = false;
  readonly #news = new ReachNews();
  #driver: Driver;
  #channel: Channel | undefined;
  #addresses = new AddressBook();
  readonly #passages = new Map<Endpoint, Passage>();

  constructor(
    clock: Clock,
    net: Network,
    coordinator: CoordinatorNode,
    host: Host,
    options: RelayNodeOptions,
  ) {
    this.#clock = clock;
    this.#net = net;
    this.#coordinator = coordinator;
    this.#options = options;
    this.#keys = keyPair(options.random);
    this.host = host;
    this.id = relayIdOf(this.#keys.publicKey);
    this.region = options.region;
    this.record = {
      id: this.id,
      key: keyToText(this.#keys.publicKey),
      ticketKey: options.random.bytes(32),
      region: options.region,
      at: options.at,
      endpoints: host.endpoints,
      websocket: options.hasDoor ? { url: `wss://${options.region}.example/` } : undefined,
      version: "sim",
      enrolledAtMs: 0,
      drainRequested: false,
    };
    ({ forwarder: this.forwarder, driver: this.#driver } = this.#make());
  }

  start(): void {
    this.#connect();
    this.#beat();
  }

  kill(): void {
    this.#isUp = false;
    this.#driver.stop();
    this.#channel?.close();
    this.#channel = undefined;
    for (const passage of [...this.#passages.values()]) passage.close();
  }

  /** An agent knocks at the door. False: nobody is at home. */
  passageOpened(passage: Passage): boolean {
    if (this.#isUp) this.#passages.set(passage.at, passage);
    return this.#isUp;
  }

  passageClosed({ at }: Passage): void {
    this.#passages.delete(at);
  }

  receive(datagram: Uint8Array, from: Endpoint): void {
    if (this.isDeaf || !this.#isUp) return;
    this.#driver.run((now) => {
      const to = this.forwarder.forward(datagram, this.#addresses.handle(from), now);
      if (to !== HANDLED) this.#send(datagram, this.#addresses.endpoint(to));
    });
  }

  revive(): void {
    this.#isUp = true;
    this.#draining = false;
    ({ forwarder: this.forwarder, driver: this.#driver } = this.#make());
    this.#connect();
  }

  drain(draining: boolean): void {
    this.#draining = draining;
    this.#driver.run(() => this.forwarder.setDraining(draining));
  }

  channelLost(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  take(message: ToRelay): void {
    this.#driver.run((now) => this.#obey(message, now));
  }

  #obey(message: ToRelay, now: number): void {
    const { forwarder } = this;
    switch (message.type) {
      case "welcome": {
        const key = fromBase64(message.ticketKey);
        if (key !== undefined) forwarder.setTicketKeys([key]);
        forwarder.setRelays(message.relays);
        return forwarder.setRoutes(message.routes, [], true, now);
      }
      case "relays":
        return forwarder.setRelays(message.relays);
      case "routes":
        return forwarder.setRoutes(message.upsert, message.remove, false, now);
      case "revoke":
        return forwarder.revoke(message.agent);
      default:
        return;
    }
  }

  #connect(): void {
    if (!this.#isUp || this.#channel?.isOpen === true) return;
    this.#channel = this.#coordinator.relayCame(this);
  }

  #beat(): void {
    this.#clock.in(HEARTBEAT_MS, () => this.#beat());
    if (!this.#isUp) return;
    this.#connect();
    if (this.#channel === undefined) return;
    const { sessions, flows, packets, bytes, soundings } = this.forwarder.snapshot();
    const load = { sessions, flows, packets, bytes, drops: {} };
    const reach = this.#news.take(soundings);
    const heartbeat = { type: "heartbeat", load, draining: this.#draining, reach } as const;
    this.#coordinator.relaySays(this.id, this.#channel, heartbeat);
  }

  #make(): { forwarder: Forwarder; driver: Driver } {
    const { random, skewMs, region } = this.#options;
    const addresses = new AddressBook();
    this.#addresses = addresses;
    const identity = { id: this.id, ...this.#keys, boot: ++this.#boot };
    const forwarder = new Forwarder(
      {
        identity,
        addresses,
        sink: {
          send: (bytes, to) => {
            if (!this.isDeaf) this.#send(bytes, addresses.endpoint(to));
            return true;
          },
          event: () => {},
        },
        sealer,
        agreement,
        trunkMac,
        random: random.bytes,
        limits: LIMITS,
      },
      this.#clock.nowMs + skewMs,
    );
    const driver = new Driver(this.#clock, region, skewMs, {
      nextDeadline: () => forwarder.nextDeadline(),
      tick: (now) => forwarder.tick(now),
    });
    this.host.receive = (datagram, from) => this.receive(datagram, from);
    return { forwarder, driver };
  }

  #send(datagram: Uint8Array, to: Endpoint): void {
    if (!isPassage(to)) return this.#net.send(this.host, datagram, to);
    this.#passages.get(to)?.toAgent(datagram.slice());
  }
}
