/**
 * Runs the agent's cold code once before it is needed: two whole machines in memory meet by a relay, talk, and find
 * their direct path, on a clock of their own. A first packet would otherwise wait for the compiler at every step, some
 * 50 ms on a small machine.
 */
import type { Primitives } from "@burrow/platform";
import {
  BindStatus,
  COOKIE_LENGTH,
  classify,
  type Endpoint,
  encodeBound,
  type FromAgent,
  isRefusal,
  keyToText,
  type NetworkId,
  NONCE_LENGTH,
  openBind,
  type PeerInfo,
  type RelayId,
  type RelayInfo,
  type Sealer,
  splitEndpoint,
  TICKET_LENGTH,
  type ToAgent,
  TUNNEL_MTU_BYTES,
  toBase64,
} from "@burrow/protocol";
import { Agent } from "../core/agent.ts";
import { EngineTunnel } from "../core/engine-tunnel.ts";
import { bytesOf, OnePacket } from "../core/packets.ts";

/** As often as it takes the compiler to notice, and no longer than the coordinator takes to answer. */
const MEETINGS = 3;
const PINGS = 20;
const PING_INTERVAL_MS = 10;
const RELAY = "0000000000000001" as RelayId;
const RELAY_ENDPOINT = "203.0.113.1:21820" as Endpoint;
const NETWORK = "0000000000000001" as NetworkId;

/** Takes some 100 ms once; nothing of it is kept. */
export function warmUp(primitives: Primitives, sealer: Sealer): void {
  for (let i = 0; i < MEETINGS; i++) new Meeting(primitives, sealer).run();
}

/** One end: its keys, its address behind a NAT, and its machine. */
interface End {
  readonly info: PeerInfo;
  readonly outside: Endpoint;
  readonly sessionKey: Uint8Array;
  readonly agent: Agent;
}

export class Meeting {
  readonly #primitives: Primitives;
  readonly #sealer: Sealer;
  readonly #ends: readonly [End, End];
  readonly #events: (() => void)[] = [];
  #now = 1;
  /** Echoes that came back. */
  answered = 0;

  constructor(primitives: Primitives, sealer: Sealer) {
    this.#primitives = primitives;
    this.#sealer = sealer;
    this.#ends = [this.#end(1), this.#end(2)];
  }

  run(): this {
    const [a, b] = this.#ends;
    for (const end of this.#ends) this.#welcome(end, end === a ? b : a);
    for (let i = 0; i < PINGS; i++) {
      const peer = a.agent.peers.get(b.info.id);
      if (peer !== undefined) a.agent.ping(peer, 1, i, this.#now);
      this.#pass(PING_INTERVAL_MS);
    }
    return this;
  }

  /** Whether the two ended on the direct path. */
  get isDirect(): boolean {
    const [a, b] = this.#ends;
    return a.agent.peers.get(b.info.id)?.paths.current?.kind === "direct";
  }

  #end(n: 1 | 2): End {
    const { randomBytes, x25519Public, x25519 } = this.#primitives;
    const privateKey = randomBytes(32).slice();
    const publicKey = x25519Public(privateKey);
    const outside = `198.51.100.${n}:4000` as Endpoint;
    const agent: Agent = new Agent(
      {
        sendDatagram: (datagram, to, how) => this.#carry(end, datagram.slice(), to, how?.ttl),
        sendDatagrams: (datagrams, to) => {
          for (let i = 0; i < datagrams.count; i++)
            this.#carry(end, bytesOf(datagrams, i).slice(), to, undefined);
        },
        sendMessage: (message) => this.#heard(message),
        event: ({ type }) => {
          if (type === "echo") this.answered++;
        },
        deliver() {},
        openSockets() {},
        closeSockets() {},
        requestHttp() {},
      },
      {
        ...{ privateKey, publicKey, sealer: this.#sealer, agreement: x25519, random: randomBytes },
        makeTunnel: (sink) =>
          new EngineTunnel(sink, {
            ...{ privateKey, primitives: this.#primitives, random: randomBytes },
            wallClock: () => Date.now(),
            mtuBytes: TUNNEL_MTU_BYTES,
          }),
        ...{ answersEchoes: true, loopbackCandidates: false, punchesHardNats: true, mapsPorts: false },
        ...{ statedEndpoints: [], outsideClients: [], startedAt: this.#now, firstSequence: 1 },
      },
    );
    const names = { id: agent.id, key: keyToText(publicKey), name: `warm-${n}` };
    const addresses = { ipv4: `100.64.0.${n}`, ipv6: `fd00::${n}` };
    const info = { ...names, ...addresses, online: true, relays: [RELAY] };
    const end = { info, outside, sessionKey: randomBytes(32).slice(), agent };
    return end;
  }

  #welcome({ agent, outside, sessionKey, info }: End, other: End): void {
    const relayKey = toBase64(this.#primitives.randomBytes(32)) as RelayInfo["key"];
    const ticket = { relay: RELAY, ticket: toBase64(new Uint8Array(TICKET_LENGTH)), expiresAtMs: 1e15 };
    agent.setLocalEndpoints(["192.168.1.2:4000" as Endpoint], this.#now);
    const welcome: ToAgent = {
      type: "welcome",
      agent: { ...info, network: NETWORK, networkName: "warm" },
      observed: { address: splitEndpoint(outside).address },
      relays: [{ id: RELAY, key: relayKey, region: "warm", endpoints: [RELAY_ENDPOINT], state: "healthy" }],
      ranking: [{ relay: RELAY, reason: "the only one" }],
      tickets: [{ ...ticket, sessionKey: toBase64(sessionKey) }],
      peers: [other.info],
    };
    agent.receiveMessage(welcome, this.#now);
  }

  /** What the coordinator does of all that it is told. */
  #heard({ type }: FromAgent): true {
    if (type !== "introduce") return true;
    const [a, b] = this.#ends;
    for (const [end, { info, outside }] of [
      [a, b],
      [b, a],
    ] as const) {
      const candidates = [{ kind: "reflexive", endpoint: outside } as const];
      const message = { type: "probe-now", peer: info.id, candidates, nat: "endpoint-independent" } as const;
      this.#events.push(() => end.agent.receiveMessage(message, this.#now));
    }
    return true;
  }

  /** The network: the relay, and what goes straight; what is to die on the way does. */
  #carry(from: End, datagram: Uint8Array, to: Endpoint, ttl: number | undefined): void {
    const other = this.#ends.find((end) => end !== from);
    if (other === undefined || ttl !== undefined) return;
    if (to === RELAY_ENDPOINT && classify(datagram) === "bind") return this.#bound(from, datagram);
    const source = to === RELAY_ENDPOINT ? RELAY_ENDPOINT : from.outside;
    if (to === RELAY_ENDPOINT || to === other.outside) this.#arrive(other, datagram, source);
  }

  #bound(from: End, datagram: Uint8Array): void {
    const { outside, sessionKey } = from;
    const bind = openBind(datagram, sessionKey, this.#sealer);
    if (isRefusal(bind)) return;
    const cookie = new Uint8Array(COOKIE_LENGTH).fill(1);
    const status = bind.cookie[0] === cookie[0] ? BindStatus.bound : BindStatus.challenge;
    const about = { sequence: bind.sequence, status, observed: outside, cookie, lifetimeS: 60 };
    const nonce = this.#primitives.randomBytes(NONCE_LENGTH);
    this.#arrive(from, encodeBound(about, sessionKey, nonce, this.#sealer), RELAY_ENDPOINT);
  }

  #arrive({ agent }: End, datagram: Uint8Array, from: Endpoint): void {
    this.#events.push(() => agent.receiveDatagrams(new OnePacket(datagram), from, this.#now));
  }

  /** Lets time pass; what leaves within a millisecond arrives in the next. */
  #pass(ms: number): void {
    for (const endMs = this.#now + ms; this.#now < endMs; this.#now++) {
      for (const run of this.#events.splice(0)) run();
      for (const { agent } of this.#ends) {
        if (this.#now >= (agent.nextDeadline() ?? Number.POSITIVE_INFINITY)) agent.tick(this.#now);
      }
    }
  }
}
