/**
 * The NAT of a Linux router that lets packets in to itself which nobody asked for (design §7). It keeps a socket's own
 * port towards everybody, as long as the connection that it would make is not there already. A stray packet leaves just
 * such a connection behind: what the host inside then sends to that stranger gets another port, and so does, from then
 * on, all that the same socket sends to anybody new, since the kernel reuses the port that it gave the socket last.
 */
import { type Endpoint, endpoint, splitEndpoint } from "@burrow/protocol";
import type { Random } from "../random.ts";
import { type NatKind, PORT_MAX, PORT_MIN, type Translator } from "./nat.ts";

/** net.netfilter.nf_conntrack_udp_timeout: a connection that was never answered. */
const UNANSWERED_MS = 30_000;

interface Connection {
  /** Undefined: the router's own, with a stray packet. */
  readonly inner: Endpoint | undefined;
  readonly port: number;
  lastMs: number;
  isAnswered: boolean;
}

export class StrayNat implements Translator {
  readonly kind: NatKind;
  outerAddress: string;
  readonly #answeredMs: number;
  readonly #random: Random;
  /** By inner socket and destination. */
  readonly #out = new Map<string, Connection>();
  /** By outer port and stranger: what is taken. */
  readonly #taken = new Map<string, Connection>();
  /** Of each inner socket, the latest last. */
  readonly #opened = new Map<Endpoint, Connection[]>();

  constructor(kind: NatKind, outerAddress: string, timeoutMs: number, random: Random) {
    this.kind = kind;
    this.outerAddress = outerAddress;
    this.#answeredMs = timeoutMs;
    this.#random = random;
  }

  outbound(source: Endpoint, to: Endpoint, now: number): Endpoint {
    const known = this.#out.get(`${source} ${to}`);
    const connection = this.#isAlive(known, now) ? known : this.#open(source, to, now);
    connection.lastMs = now;
    return endpoint(this.outerAddress, connection.port);
  }

  inbound(to: Endpoint, from: Endpoint, now: number): Endpoint | undefined {
    const key = `${splitEndpoint(to).port} ${from}`;
    const known = this.#taken.get(key);
    if (!this.#isAlive(known, now)) {
      const stray = { inner: undefined, port: splitEndpoint(to).port, lastMs: now, isAnswered: false };
      this.#taken.set(key, stray);
      return undefined;
    }
    known.lastMs = now;
    if (known.inner !== undefined) known.isAnswered = true;
    return known.inner;
  }

  reboot(): void {
    this.#out.clear();
    this.#taken.clear();
    this.#opened.clear();
  }

  #open(inner: Endpoint, to: Endpoint, now: number): Connection {
    const opened = this.#opened.get(inner) ?? [];
    while (opened.length > 0 && !this.#isAlive(opened.at(-1), now)) opened.pop();
    let port = opened.at(-1)?.port ?? splitEndpoint(inner).port;
    while (this.#isAlive(this.#taken.get(`${port} ${to}`), now))
      port = this.#random.whole(PORT_MIN, PORT_MAX);
    const connection = { inner, port, lastMs: now, isAnswered: false };
    this.#out.set(`${inner} ${to}`, connection);
    this.#taken.set(`${port} ${to}`, connection);
    opened.push(connection);
    this.#opened.set(inner, opened);
    return connection;
  }

  #isAlive(of: Connection | undefined, now: number): of is Connection {
    return of !== undefined && now - of.lastMs <= (of.isAnswered ? this.#answeredMs : UNANSWERED_MS);
  }
}
