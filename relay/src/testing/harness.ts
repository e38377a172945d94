/** A forwarder in memory with agents that speak the real protocol to it, on a clock that the test owns. */
import {
  type AgentId,
  agentIdOf,
  type Bind,
  type Bound,
  type Bytes,
  COOKIE_LENGTH,
  classify,
  type Endpoint,
  encodeBind,
  encodeIntroduction,
  encodeProbe,
  endpoint,
  type FellowRelay,
  type Flow,
  isRefusal,
  keyToText,
  Mac1,
  type NetworkId,
  nobleAgreement,
  nobleSealer,
  nobleTrunkMac,
  openBound,
  type RelayId,
  relayIdOf,
  sealTicket,
  splitEndpoint,
  type Ticket,
  transactionOf,
  WireGuardCookieReply,
  WireGuardInitiation,
  WireGuardResponse,
  WireGuardTransport,
  WireGuardType,
} from "@burrow/protocol";
import { x25519 } from "@noble/curves/ed25519.js";
import { type Addresses, NO_ADDRESS } from "../core/addresses.ts";
import { Forwarder, HANDLED } from "../core/forwarder.ts";
import { type Limits, SMALL_LIMITS } from "../core/limits.ts";

/** Not random, and so the same in every run. */
export function seededRandom(seed: number): (length: number) => Bytes {
  let state = seed >>> 0 || 1;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      bytes[i] = state & 0xff;
    }
    return bytes;
  };
}

export const TEST_NETWORK = "00000000000000aa" as NetworkId;
export const OTHER_NETWORK = "00000000000000bb" as NetworkId;
/** Any moment will do; this one looks like a date. */
export const T0 = 1_800_000_000_000;

class TestAddresses implements Addresses {
  readonly capacity = 8192;
  readonly #handles = new Map<Endpoint, number>();
  readonly #endpoints: Endpoint[] = [];
  readonly pins = new Map<number, number>();

  handle(of: Endpoint): number {
    const known = this.#handles.get(of);
    if (known !== undefined) return known;
    const handle = this.#endpoints.push(of) - 1;
    this.#handles.set(of, handle);
    return handle;
  }

  pin(handle: number): boolean {
    this.pins.set(handle, (this.pins.get(handle) ?? 0) + 1);
    return true;
  }

  unpin(handle: number): void {
    const left = (this.pins.get(handle) ?? 0) - 1;
    if (left < 0) throw new Error("unpinned once too often");
    if (left === 0) this.pins.delete(handle);
    else this.pins.set(handle, left);
  }

  endpoint(handle: number): Endpoint {
    const known = this.#endpoints[handle];
    if (known === undefined) throw new Error(`no such handle: ${handle}`);
    return known;
  }

  door(): number {
    return 0;
  }

  reach(of: Endpoint): number {
    return of.startsWith("[") ? NO_ADDRESS : this.handle(of);
  }

  isLoopback(handle: number): boolean {
    return splitEndpoint(this.endpoint(handle)).address === "127.0.0.1";
  }

  hostHash(handle: number): number {
    return [...splitEndpoint(this.endpoint(handle)).address].reduce(
      (hash, character) => (Math.imul(hash, 31) + character.charCodeAt(0)) | 0,
      7,
    );
  }
}

export interface Sent {
  readonly bytes: Bytes;
  readonly to: Endpoint;
}

let relaysMade = 0;

export class TestRelay {
  readonly random: (length: number) => Bytes;
  readonly privateKey: Bytes;
  readonly publicKey: Bytes;
  readonly id;
  readonly ticketKey: Bytes;
  readonly endpoint: Endpoint;
  readonly addresses = new TestAddresses();
  readonly events: string[] = [];
  readonly forwarder: Forwarder;
  now = T0;
  #out: Sent[] = [];

  constructor(
    options: {
      limits?: Limits;
      boot?: number;
      seed?: number;
      like?: TestRelay;
      learned?: (record: Bytes, isNew: boolean) => void;
    } = {},
  ) {
    relaysMade++;
    const seed = options.seed ?? relaysMade * 7919;
    this.random = seededRandom(seed);
    this.privateKey = options.like?.privateKey ?? this.random(32);
    this.publicKey = x25519.getPublicKey(this.privateKey);
    this.id = relayIdOf(this.publicKey);
    this.ticketKey = options.like?.ticketKey ?? this.random(32);
    this.endpoint = options.like?.endpoint ?? endpoint(`203.0.113.${relaysMade % 250}`, 21820);
    this.forwarder = new Forwarder(
      {
        identity: {
          id: this.id,
          publicKey: this.publicKey,
          privateKey: this.privateKey,
          boot: options.boot ?? 1,
        },
        addresses: this.addresses,
        sink: {
          send: (bytes, to) => {
            this.#out.push({ bytes: bytes.slice(), to: this.addresses.endpoint(to) });
            return true;
          },
          event: (event) => this.events.push(`${event.kind} ${event.party} ${event.reason}`),
          learned: (record, isNew) => options.learned?.(record, isNew),
        },
        sealer: nobleSealer,
        agreement: nobleAgreement,
        trunkMac: nobleTrunkMac,
        random: this.random,
        limits: options.limits ?? SMALL_LIMITS,
      },
      T0,
    );
    this.forwarder.setTicketKeys([this.ticketKey]);
  }

  get info(): FellowRelay {
    return {
      id: this.id,
      key: keyToText(this.publicKey),
      region: "test",
      endpoints: [this.endpoint],
      state: "healthy",
    };
  }

  /** What leaves because of one datagram. */
  feed(bytes: Bytes, from: Endpoint): Sent[] {
    this.#out = [];
    const handle = this.addresses.handle(from);
    const to = this.forwarder.forward(bytes, handle, this.now);
    if (to !== HANDLED) this.#out.push({ bytes: bytes.slice(), to: this.addresses.endpoint(to) });
    return this.#out;
  }

  /** What leaves because its time has come. */
  takeTicked(): Sent[] {
    this.#out = [];
    if (this.now >= this.forwarder.nextDeadline()) this.forwarder.tick(this.now);
    return this.#out;
  }

  drops(): Record<string, number> {
    const all = Object.entries(this.forwarder.snapshot().drops);
    return Object.fromEntries(all.filter(([, count]) => count > 0));
  }

  /** Moves the clock on, ticking as the shell would. */
  pass(ms: number): void {
    const until = this.now + ms;
    while (this.forwarder.nextDeadline() <= until) {
      this.now = this.forwarder.nextDeadline();
      this.forwarder.tick(this.now);
    }
    this.now = until;
  }
}

let agentsMade = 0;

/** Whoever can make tickets for a relay. */
export interface TicketSource {
  readonly id: RelayId;
  readonly ticketKey: Bytes;
}

export interface TestAgentOptions {
  readonly network?: NetworkId;
  readonly acceptsOutside?: boolean;
  readonly rateClass?: number;
  readonly expiresAtMs?: number;
  readonly privateKey?: Bytes;
}

export class TestAgent {
  readonly random: (length: number) => Bytes;
  readonly privateKey: Bytes;
  readonly publicKey: Bytes;
  readonly id: AgentId;
  readonly network: NetworkId;
  at: Endpoint;
  sequence = 0;
  cookie: Bytes = new Uint8Array(COOKIE_LENGTH);
  sessionKey: Bytes;
  ticket: Bytes;
  readonly #mac1: Mac1;

  constructor(relay: TicketSource, at: string, options: TestAgentOptions = {}) {
    agentsMade++;
    this.random = seededRandom(agentsMade * 104_729);
    this.privateKey = options.privateKey ?? this.random(32);
    this.publicKey = x25519.getPublicKey(this.privateKey);
    this.id = agentIdOf(this.publicKey);
    this.network = options.network ?? TEST_NETWORK;
    this.at = at as Endpoint;
    this.#mac1 = new Mac1(this.publicKey);
    this.sessionKey = this.random(32);
    this.ticket = this.#newTicket(relay, options);
  }

  renewTicket(relay: TicketSource, options: TestAgentOptions = {}): void {
    this.sessionKey = this.random(32);
    this.ticket = this.#newTicket(relay, options);
  }

  /** The same agent with a ticket for another relay. */
  alsoAt(relay: TestRelay, at: string): TestAgent {
    return new TestAgent(relay, at, { network: this.network, privateKey: this.privateKey });
  }

  bindBytes(bind: Partial<Bind> = {}): Bytes {
    this.sequence++;
    const full = { sequence: this.sequence, cookie: this.cookie, leaving: false, flows: [], ...bind };
    return encodeBind(full, this.ticket, this.sessionKey, this.random(24), nobleSealer);
  }

  open(sent: Sent | undefined): Bound {
    if (sent === undefined) throw new Error("no answer");
    const bound = openBound(sent.bytes, this.sessionKey, nobleSealer);
    if (isRefusal(bound)) throw new Error(`not a Bound: ${bound}`);
    return bound as Bound;
  }

  /** One Bind, and the answer. The cookie in it is kept. */
  bindOnce(relay: TestRelay, bind: Partial<Bind> = {}): Bound {
    const bound = this.open(relay.feed(this.bindBytes(bind), this.at)[0]);
    this.cookie = bound.cookie;
    return bound;
  }

  /** Challenge and all. */
  bind(relay: TestRelay, flows: readonly Flow[] = []): Bound {
    const first = this.bindOnce(relay, { flows });
    return first.status === 1 ? this.bindOnce(relay, { flows }) : first;
  }

  initiationTo(responder: TestAgent, senderIndex: number): Bytes {
    const message = wireGuard(WireGuardType.initiation, WireGuardInitiation.length, this.random);
    put32(message, WireGuardInitiation.sender, senderIndex);
    responder.#mac1.write(message);
    return message;
  }

  responseTo(initiator: TestAgent, senderIndex: number, receiverIndex: number): Bytes {
    const message = wireGuard(WireGuardType.response, WireGuardResponse.length, this.random);
    put32(message, WireGuardResponse.sender, senderIndex);
    put32(message, WireGuardResponse.receiver, receiverIndex);
    initiator.#mac1.write(message);
    return message;
  }

  probeTo(receiver: TestAgent): Bytes {
    return encodeProbe(
      { kind: "probe", receiver: receiver.id, sender: this.id },
      { transaction: transactionOf(this.random(8)), observed: undefined },
      this.random(32),
      this.random(24),
      nobleSealer,
    );
  }

  introductionTo(receiver: TestAgent): Bytes {
    return encodeIntroduction(
      { receiver: receiver.id, sender: this.id },
      { sequence: 1, wantsAnswer: true, nat: "unknown", natPorts: undefined, candidates: [] },
      this.random(32),
      this.random(24),
      nobleSealer,
    );
  }

  #newTicket(relay: TicketSource, options: TestAgentOptions): Bytes {
    const ticket: Ticket = {
      agentKey: this.publicKey,
      network: this.network,
      sessionKey: this.sessionKey,
      rateClass: options.rateClass ?? 0,
      acceptsOutside: options.acceptsOutside ?? false,
      expiresAtMs: options.expiresAtMs ?? T0 + 86_400_000,
    };
    return sealTicket(ticket, relay.id, relay.ticketKey, this.random(24), nobleSealer);
  }
}

export function transport(receiverIndex: number, length: number = WireGuardTransport.lengthMin): Bytes {
  const message = wireGuard(WireGuardType.transport, length, seededRandom(receiverIndex ^ length));
  put32(message, WireGuardTransport.receiver, receiverIndex);
  return message;
}

export function cookieReply(receiverIndex: number): Bytes {
  const message = wireGuard(
    WireGuardType.cookieReply,
    WireGuardCookieReply.length,
    seededRandom(receiverIndex),
  );
  put32(message, WireGuardCookieReply.receiver, receiverIndex);
  return message;
}

/** Where each packet went, in short. */
export function whereTo(sent: readonly Sent[]): string[] {
  return sent.map(({ bytes, to }) => `${classify(bytes)} ${to}`);
}

function wireGuard(type: number, length: number, random: (length: number) => Bytes): Bytes {
  const message = random(length);
  message.set([type, 0, 0, 0]);
  return message;
}

function put32(bytes: Bytes, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, true);
}
