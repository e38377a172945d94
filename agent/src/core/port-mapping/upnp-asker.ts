/**
 * Asks a UPnP router: finds it by a search, reads its description, adds the mapping, asks for the outer address. Each
 * step is one HTTP exchange with the router itself.
 *
 *   searching ──▶ describing ──▶ adding ──▶ addressing ──▶ granted
 *                                  │ taken: another port; no leases: for good; else the next service
 */
import { endpoint, parseEndpoint } from "@burrow/protocol";
import { type Asker, type AskerSink, LIFETIME_WANTED_S, NO_ANSWER, NO_OUTSIDE, type Want } from "./asker.ts";
import {
  addMapping,
  askAddress,
  type Control,
  deleteMapping,
  describe,
  type HttpAnswer,
  type HttpRequest,
  parseAddressAnswer,
  parseDescription,
  parseFault,
  urlAt,
} from "./igd.ts";
import { parseSearchAnswer, SSDP_GROUP, SSDP_PORT, searches } from "./ssdp.ts";

const SEARCH_PAUSES_MS = [500, 1_500];
/** The shell gives up earlier; this is for the case that it never says so. */
const STEP_MAX_MS = 5_000;
/** A port that is another's: others are tried, at random. */
const PORTS_TRIED_MAX = 4;
const PORT_MIN = 1_024;

/** WANIPConnection:1 §2.4.16, :2 §2.5.16. */
const Fault = { badArguments: 402, conflict: 718, onlyPermanent: 725, otherConflict: 729 } as const;

type Phase = "idle" | "searching" | "describing" | "adding" | "addressing" | "releasing";

export class UpnpAsker implements Asker {
  readonly protocol = "upnp";
  mayHold = false;
  readonly #sink: AskerSink;
  readonly #random: (length: number) => Uint8Array;
  #phase: Phase = "idle";
  #want: Want | undefined;
  #nextMs: number | undefined;
  #sent = 0;
  #location: string | undefined;
  /** What the router offers; the first is in use, those that failed are gone. */
  #controls: readonly Control[] = [];
  /** They are of an earlier question: a router that was started anew may have others. */
  #isRemembered = false;
  #outsidePort = 0;
  #portsTried = 0;
  #isForGood = false;
  #problem = NO_ANSWER;

  constructor(sink: AskerSink, random: (length: number) => Uint8Array) {
    this.#sink = sink;
    this.#random = random;
  }

  ask(want: Want, now: number): void {
    this.#want = want;
    this.#outsidePort = want.outsidePort;
    this.#portsTried = 0;
    this.#problem = NO_ANSWER;
    this.#isRemembered = this.#controls.length > 0;
    if (this.#isRemembered) return this.#add(now);
    this.#phase = "searching";
    this.#sent = 0;
    this.#search(now);
  }

  release(now: number): void {
    const [control] = this.#controls;
    if (!this.mayHold || control === undefined) {
      this.stop();
      return this.#sink.released(now);
    }
    this.#step("releasing", deleteMapping(control, this.#outsidePort), now);
  }

  stop(): void {
    this.#phase = "idle";
    this.#nextMs = undefined;
  }

  receive(datagram: Uint8Array, _port: number, now: number): boolean {
    const location = parseSearchAnswer(datagram);
    if (location === undefined || this.#want === undefined) return false;
    if (this.#phase !== "searching") return true;
    const url = urlAt(this.#want.gateway.address, location);
    if (url === undefined) return true;
    this.#location = url;
    this.#step("describing", describe(url), now);
    return true;
  }

  answered(answer: HttpAnswer | undefined, now: number): void {
    switch (this.#phase) {
      case "describing":
        return this.#described(answer, now);
      case "adding":
        return this.#added(answer, now);
      case "addressing":
        return this.#addressed(answer, now);
      case "releasing":
        this.stop();
        this.mayHold = false;
        return this.#sink.released(now);
      case "idle":
      case "searching":
        return;
    }
  }

  tick(now: number): void {
    if (this.#nextMs === undefined || now < this.#nextMs) return;
    if (this.#phase !== "searching") return this.answered(undefined, now);
    if (this.#sent < SEARCH_PAUSES_MS.length) this.#search(now);
    else this.#fail(NO_ANSWER, now);
  }

  nextDeadline(): number | undefined {
    return this.#nextMs;
  }

  /** To all on the link, and to the router alone: some answer only to the one, some firewalls pass only the other. */
  #search(now: number): void {
    const want = this.#want;
    if (want === undefined) return;
    this.#nextMs = now + (SEARCH_PAUSES_MS[this.#sent] ?? 0);
    this.#sent++;
    for (const search of searches()) {
      this.#sink.sendDatagram(search, SSDP_GROUP);
      this.#sink.sendDatagram(search, endpoint(want.gateway.address, SSDP_PORT));
    }
  }

  #step(phase: Phase, request: HttpRequest, now: number): void {
    this.#phase = phase;
    this.#nextMs = now + STEP_MAX_MS;
    this.#sink.request(request);
  }

  #described(answer: HttpAnswer | undefined, now: number): void {
    const { gateway } = this.#want ?? {};
    if (answer?.status !== 200 || gateway === undefined || this.#location === undefined) {
      return this.#fail("it does not describe itself", now);
    }
    this.#controls = parseDescription(gateway.address, this.#location, answer.body);
    this.#problem = "it offers no service that maps ports";
    this.#add(now);
  }

  #add(now: number): void {
    const [control] = this.#controls;
    const want = this.#want;
    if (control === undefined || want === undefined) return this.#fail(this.#problem, now);
    const { port, gateway } = want;
    const lifetimeS = this.#isForGood ? 0 : LIFETIME_WANTED_S;
    const mapping = { outsidePort: this.#outsidePort, port, local: gateway.local, lifetimeS };
    this.mayHold = true;
    this.#step("adding", addMapping(control, mapping), now);
  }

  #added(answer: HttpAnswer | undefined, now: number): void {
    const [control] = this.#controls;
    if (control !== undefined && answer?.status === 200) {
      return this.#step("addressing", askAddress(control), now);
    }
    const { code, why } = answer === undefined ? { code: 0, why: NO_ANSWER } : parseFault(answer);
    const wantsAnother = code === Fault.conflict || code === Fault.otherConflict;
    if (wantsAnother && ++this.#portsTried < PORTS_TRIED_MAX) {
      const [high = 0, low = 0] = this.#random(2);
      this.#outsidePort = PORT_MIN + ((high * 256 + low) % (65_536 - PORT_MIN));
      return this.#add(now);
    }
    // Routers that know no leases say so, or call the question wrong.
    if ((code === Fault.onlyPermanent || code === Fault.badArguments) && !this.#isForGood) {
      this.#isForGood = true;
      return this.#add(now);
    }
    this.#nextControl(why, now);
  }

  #addressed(answer: HttpAnswer | undefined, now: number): void {
    const [control] = this.#controls;
    const address = answer?.status === 200 ? parseAddressAnswer(answer.body) : "";
    const outside = parseEndpoint(`${address}:${this.#outsidePort}`);
    const isUp = outside !== undefined && address !== "0.0.0.0";
    if (isUp) {
      this.stop();
      return this.#sink.granted({ outside, lifetimeS: LIFETIME_WANTED_S }, now);
    }
    // A second line that is down would keep the mapping for nothing.
    if (control !== undefined) this.#sink.request(deleteMapping(control, this.#outsidePort));
    this.#nextControl(NO_OUTSIDE, now);
  }

  #nextControl(why: string, now: number): void {
    this.#problem = why;
    this.#controls = this.#isRemembered ? [] : this.#controls.slice(1);
    if (this.#isRemembered && this.#want !== undefined) return this.ask(this.#want, now);
    this.mayHold = false;
    this.#add(now);
  }

  #fail(why: string, now: number): void {
    this.stop();
    this.#controls = [];
    this.#sink.failed(why, now);
  }
}
