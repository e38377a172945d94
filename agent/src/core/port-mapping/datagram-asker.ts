/**
 * Asks by PCP or NAT-PMP: both send a datagram to port 5351 of the router and send it again while nothing comes back
 * (RFC 6886 §3.1: after 250 ms, then twice as long each time). Theirs is one port, so one class serves both; what
 * differs is the dialect.
 */
import { type Endpoint, endpoint, parseEndpoint } from "@burrow/protocol";
import {
  type Asker,
  type AskerSink,
  LIFETIME_WANTED_S,
  type MappingProtocol,
  NO_ANSWER,
  NO_OUTSIDE,
  type Want,
} from "./asker.ts";
import { encodeAddressQuestion, encodeNatPmp, NAT_PMP_UNSUPPORTED_VERSION, parseNatPmp } from "./nat-pmp.ts";
import { encodePcp, type PcpQuestion, parsePcp } from "./pcp.ts";

const SERVER_PORT = 5351;
/** Pauses after each sending; after the last one it has failed. */
const ASK_PAUSES_MS = [250, 500, 1_000, 2_000];
/** Giving back is a courtesy that a process on its way out can wait for only so long. */
const RELEASE_PAUSES_MS = [100, 200, 300];

type Answer =
  | { readonly kind: "address"; readonly address: string }
  | {
      readonly kind: "mapping";
      readonly outsidePort: number | undefined;
      readonly outside?: Endpoint | undefined;
      readonly lifetimeS: number;
    }
  | { readonly kind: "refused"; readonly why: string };

/** How a protocol puts its questions and reads the answers to them. */
interface Dialect {
  readonly protocol: MappingProtocol;
  /** The outside address comes in an answer of its own. */
  readonly asksAddress: boolean;
  questions(want: Want, lifetimeS: number): Uint8Array[];
  read(datagram: Uint8Array, want: Want): Answer | undefined;
}

export function pcpDialect(nonce: Uint8Array): Dialect {
  const question = ({ gateway, port, outsidePort }: Want, lifetimeS: number): PcpQuestion => {
    return { local: gateway.local, port, outsidePort, nonce, lifetimeS };
  };
  return {
    protocol: "pcp",
    asksAddress: false,
    questions: (want, lifetimeS) => [encodePcp(question(want, lifetimeS))],
    read: (datagram, want) => {
      const answer = parsePcp(datagram, question(want, 0));
      if (answer !== undefined)
        return answer.kind === "refused" ? answer : { ...answer, outsidePort: undefined };
      // A router that knows NAT-PMP alone says so in NAT-PMP.
      const older = parseNatPmp(datagram, want.port);
      return older?.kind === "refused" ? { ...older, why: "it does not speak PCP" } : undefined;
    },
  };
}

export const NAT_PMP_DIALECT: Dialect = {
  protocol: "nat-pmp",
  asksAddress: true,
  questions: ({ port, outsidePort }, lifetimeS) => {
    const mapping = encodeNatPmp({ port, outsidePort, lifetimeS });
    return lifetimeS === 0 ? [mapping] : [encodeAddressQuestion(), mapping];
  },
  read: (datagram, { port }) => {
    const answer = parseNatPmp(datagram, port);
    // That is still about a question by PCP.
    const isStray = answer?.kind === "refused" && answer.code === NAT_PMP_UNSUPPORTED_VERSION;
    return isStray ? undefined : answer;
  },
};

export class DatagramAsker implements Asker {
  readonly #sink: AskerSink;
  readonly #dialect: Dialect;
  #want: Want | undefined;
  #phase: "idle" | "asking" | "releasing" = "idle";
  #sent = 0;
  #nextMs: number | undefined;
  #address: string | undefined;
  #mapping: Extract<Answer, { kind: "mapping" }> | undefined;
  /** Of our latest grant, until it is given back. */
  #isGranted = false;

  constructor(sink: AskerSink, dialect: Dialect) {
    this.#sink = sink;
    this.#dialect = dialect;
  }

  get protocol(): MappingProtocol {
    return this.#dialect.protocol;
  }

  get mayHold(): boolean {
    return this.#isGranted || this.#phase !== "idle";
  }

  ask(want: Want, now: number): void {
    this.#want = want;
    this.#begin("asking", now);
  }

  release(now: number): void {
    if (this.#want !== undefined) this.#begin("releasing", now);
  }

  stop(): void {
    this.#phase = "idle";
    this.#nextMs = undefined;
  }

  receive(datagram: Uint8Array, port: number, now: number): boolean {
    const want = this.#want;
    if (want === undefined || this.#phase === "idle" || port !== SERVER_PORT) return false;
    const answer = this.#dialect.read(datagram, want);
    if (answer === undefined) return false;
    if (this.#phase === "releasing") this.#released(answer, now);
    else this.#heard(answer, now);
    return true;
  }

  answered(): void {}

  tick(now: number): void {
    if (this.#nextMs === undefined || now < this.#nextMs) return;
    const pauses = this.#phase === "releasing" ? RELEASE_PAUSES_MS : ASK_PAUSES_MS;
    if (this.#sent < pauses.length) return this.#send(now);
    const wasReleasing = this.#phase === "releasing";
    this.stop();
    if (!wasReleasing) return this.#sink.failed(NO_ANSWER, now);
    this.#isGranted = false;
    this.#sink.released(now);
  }

  nextDeadline(): number | undefined {
    return this.#nextMs;
  }

  #begin(phase: "asking" | "releasing", now: number): void {
    this.#phase = phase;
    this.#sent = 0;
    this.#address = undefined;
    this.#mapping = undefined;
    this.#send(now);
  }

  #send(now: number): void {
    const want = this.#want;
    if (want === undefined) return;
    const isRelease = this.#phase === "releasing";
    const pauses = isRelease ? RELEASE_PAUSES_MS : ASK_PAUSES_MS;
    this.#nextMs = now + (pauses[this.#sent] ?? 0);
    this.#sent++;
    const to = endpoint(want.gateway.address, SERVER_PORT);
    for (const question of this.#dialect.questions(want, isRelease ? 0 : LIFETIME_WANTED_S)) {
      this.#sink.sendDatagram(question, to);
    }
  }

  #heard(answer: Answer, now: number): void {
    if (answer.kind === "refused") {
      this.stop();
      return this.#sink.failed(answer.why, now);
    }
    if (answer.kind === "address") this.#address = answer.address;
    // Time zero is the answer to an earlier release.
    else if (answer.lifetimeS > 0) this.#mapping = answer;
    const mapping = this.#mapping;
    if (mapping === undefined || (this.#dialect.asksAddress && this.#address === undefined)) return;
    this.stop();
    const outside = mapping.outside ?? parseEndpoint(`${this.#address}:${mapping.outsidePort}`);
    this.#isGranted = true;
    if (outside === undefined) return this.#sink.failed(NO_OUTSIDE, now);
    this.#sink.granted({ outside, lifetimeS: mapping.lifetimeS }, now);
  }

  #released(answer: Answer, now: number): void {
    if (answer.kind === "address" || (answer.kind === "mapping" && answer.lifetimeS > 0)) return;
    this.stop();
    this.#isGranted = false;
    this.#sink.released(now);
  }
}
