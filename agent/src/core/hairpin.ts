/**
 * Whether the NAT before us turns packets for its own outside around (hairpinning, RFC 4787 §6): two agents behind one
 * that does can meet at their outside addresses. Tried by a probe from our socket to ourselves, where relays see us; it
 * comes back or it does not.
 */
import {
  type AgentId,
  type Endpoint,
  encodeProbe,
  idToBytes,
  isFrom,
  isRefusal,
  NONCE_LENGTH,
  openProbe,
  probeHeader,
  type Sealer,
  SYMMETRIC_KEY_LENGTH,
  TRANSACTION_LENGTH,
  type Transaction,
  transactionOf,
} from "@burrow/protocol";

/** After each probe; after the last one's, nothing came back. */
const PAUSES_MS = [200, 400, 900] as const;

export interface HairpinOptions {
  readonly self: AgentId;
  readonly sealer: Sealer;
  readonly random: (length: number) => Uint8Array;
}

export interface HairpinSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint): void;
}

export class HairpinCheck {
  /** Undefined where there is no NAT, none whose outside we know, or no result yet. */
  result: boolean | undefined;
  readonly #sink: HairpinSink;
  readonly #options: HairpinOptions;
  /** Nobody else has it. */
  readonly #key: Uint8Array;
  /** Our id, as it stands in packets. */
  readonly #self: Uint8Array;
  #outside: Endpoint | undefined;
  /** Of which outside the result is. */
  #askedFor: Endpoint | undefined;
  #transaction: Transaction | undefined;
  #sent = 0;
  #nextMs: number | undefined;

  constructor(sink: HairpinSink, options: HairpinOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#self = idToBytes(options.self);
    this.#key = options.random(SYMMETRIC_KEY_LENGTH);
  }

  /**
   * Where all relays see our socket; undefined where they do not agree, too few of them answer, or that is an address of
   * our own. Bindings that nobody needs come and go: the same outside is not asked twice.
   */
  setOutside(outside: Endpoint | undefined, now: number): void {
    if (outside === this.#outside) return;
    this.#outside = outside;
    if (outside === undefined) this.#nextMs = undefined;
    if (outside === undefined || (outside === this.#askedFor && this.result !== undefined)) return;
    this.#askedFor = outside;
    this.result = undefined;
    this.#sent = 0;
    this.#transaction = transactionOf(this.#options.random(TRANSACTION_LENGTH));
    this.#nextMs = now;
    this.tick(now);
  }

  /** A probe of any sender. True when it was ours. */
  receive(datagram: Uint8Array): boolean {
    if (!isFrom(datagram, this.#self)) return false;
    const header = probeHeader(datagram);
    if (isRefusal(header) || header.receiver !== header.sender) return false;
    const probe = openProbe(datagram, this.#key, this.#options.sealer, header);
    if (isRefusal(probe) || probe.transaction !== this.#transaction) return false;
    this.result = true;
    this.#nextMs = undefined;
    return true;
  }

  tick(now: number): void {
    if (this.#nextMs === undefined || now < this.#nextMs) return;
    const pauseMs = PAUSES_MS[this.#sent];
    this.#nextMs = pauseMs === undefined ? undefined : now + pauseMs;
    if (pauseMs === undefined) this.result = false;
    else this.#send();
  }

  nextDeadline(): number | undefined {
    return this.#nextMs;
  }

  #send(): void {
    const { self, sealer, random } = this.#options;
    this.#sent++;
    if (this.#outside === undefined || this.#transaction === undefined) return;
    const header = { kind: "probe", receiver: self, sender: self } as const;
    const body = { transaction: this.#transaction, observed: undefined };
    const probe = encodeProbe(header, body, this.#key, random(NONCE_LENGTH), sealer);
    this.#sink.sendDatagram(probe, this.#outside);
  }
}
