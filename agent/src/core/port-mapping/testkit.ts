/** For tests: a port mapper on a clock that the test owns, before a router that speaks what the test lets it. */
import { type Endpoint, endpoint } from "@burrow/protocol";
import type { MappingProtocol } from "./asker.ts";
import type { Gateway } from "./gateway.ts";
import type { HttpAnswer, HttpRequest } from "./igd.ts";
import { PortMapper } from "./port-mapper.ts";
import { elementText } from "./xml.ts";

export const HOME: Gateway = { address: "192.168.1.1", local: "192.168.1.2" };
export const PORT = 4_000;
const SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1";
const STEP_MS = 2;

export class FakeRouter {
  readonly gateway: Gateway;
  readonly speaks: Set<MappingProtocol>;
  outsideAddress = "203.0.113.9";
  lifetimeS = 7_200;
  /** What it answers nothing but, by protocol. */
  refusesWith: number | undefined;
  /** Knows no leases: UPnP for good, as old ones do. */
  onlyPermanent = false;
  /** Ports that others have. */
  readonly taken = new Set<number>();
  /** Inside port → outside port. */
  readonly mappings = new Map<number, number>();
  readonly heard: string[] = [];
  controlPath = "/ctl";

  constructor(speaks: readonly MappingProtocol[], gateway = HOME) {
    this.speaks = new Set(speaks);
    this.gateway = gateway;
  }

  /** Answers to a datagram, each with the port it comes from. */
  datagram(bytes: Uint8Array, port: number): (readonly [Uint8Array, number])[] {
    const [version, opcode] = bytes;
    if (port === 1900 && this.speaks.has("upnp")) return [[this.#found(), 1900]];
    if (port !== 5351) return [];
    if (version === 2 && this.speaks.has("pcp")) return [[this.#pcp(bytes), 5351]];
    if (version === 2 && this.speaks.has("nat-pmp")) return [[Uint8Array.fromHex("0081000100000000"), 5351]];
    if (version !== 0 || !this.speaks.has("nat-pmp")) return [];
    return [[opcode === 0 ? this.#address() : this.#natPmp(bytes), 5351]];
  }

  http({ url, body, method }: HttpRequest): HttpAnswer | undefined {
    if (!this.speaks.has("upnp")) return undefined;
    if (method === "GET") {
      const service = `<service><serviceType>${SERVICE}</serviceType><controlURL>${this.controlPath}</controlURL></service>`;
      return { status: 200, body: `<root><device>${service}</device></root>` };
    }
    if (!url.endsWith(this.controlPath)) return { status: 404, body: "" };
    if (body.includes("GetExternalIPAddress")) {
      return { status: 200, body: `<NewExternalIPAddress>${this.outsideAddress}</NewExternalIPAddress>` };
    }
    return this.#soap(body);
  }

  #soap(body: string): HttpAnswer {
    const fault = (code: number) => ({ status: 500, body: `<errorCode>${code}</errorCode>` });
    const outsidePort = Number(elementText(body, "NewExternalPort"));
    if (body.includes("DeletePortMapping")) {
      const held = [...this.mappings].find(([, outside]) => outside === outsidePort);
      if (held === undefined) return fault(714);
      this.mappings.delete(held[0]);
      this.heard.push(`upnp release ${outsidePort}`);
      return { status: 200, body: "" };
    }
    const lifetime = Number(elementText(body, "NewLeaseDuration"));
    this.heard.push(`upnp ${outsidePort} for ${lifetime}`);
    if (this.refusesWith !== undefined) return fault(this.refusesWith);
    if (this.onlyPermanent && lifetime !== 0) return fault(725);
    if (this.taken.has(outsidePort)) return fault(718);
    this.mappings.set(Number(elementText(body, "NewInternalPort")), outsidePort);
    return { status: 200, body: "" };
  }

  #found(): Uint8Array {
    const device = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    const location = `http://${this.gateway.address}:5000/desc.xml`;
    return new TextEncoder().encode(`HTTP/1.1 200 OK\r\nST: ${device}\r\nLOCATION: ${location}\r\n\r\n`);
  }

  #map(protocol: MappingProtocol, inside: number, wanted: number, lifetimeS: number): [number, number] {
    if (lifetimeS === 0) {
      this.heard.push(`${protocol} release`);
      this.mappings.delete(inside);
      return [0, 0];
    }
    this.heard.push(`${protocol} ${wanted}`);
    let port = this.mappings.get(inside) ?? wanted;
    while (this.taken.has(port)) port++;
    this.mappings.set(inside, port);
    return [port, Math.min(lifetimeS, this.lifetimeS)];
  }

  #pcp(question: Uint8Array): Uint8Array {
    const answer = question.slice();
    const view = new DataView(answer.buffer);
    answer[1] = 0x81;
    answer[3] = this.refusesWith ?? 0;
    if (this.refusesWith !== undefined) return answer;
    const [port, lifetimeS] = this.#map("pcp", view.getUint16(40), view.getUint16(42), view.getUint32(4));
    answer.fill(0, 8, 24);
    view.setUint32(4, lifetimeS);
    view.setUint16(42, port);
    answer.set(this.outsideAddress.split(".").map(Number), 56);
    return answer;
  }

  #address(): Uint8Array {
    return Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, 7, ...this.outsideAddress.split(".").map(Number));
  }

  #natPmp(question: Uint8Array): Uint8Array {
    const asked = new DataView(question.buffer);
    const answer = new Uint8Array(16);
    const view = new DataView(answer.buffer);
    answer[1] = 0x81;
    view.setUint16(2, this.refusesWith ?? 0);
    if (this.refusesWith !== undefined) return answer;
    const [port, lifetimeS] = this.#map(
      "nat-pmp",
      asked.getUint16(4),
      asked.getUint16(6),
      asked.getUint32(8),
    );
    view.setUint16(8, asked.getUint16(4));
    view.setUint16(10, port);
    view.setUint32(12, lifetimeS);
    return answer;
  }
}

export class MapperUnderTest {
  now = 1_000_000;
  readonly mapper: PortMapper;
  /** Whom datagrams to its address reach; undefined: nobody answers. */
  router: FakeRouter | undefined;
  readonly changes: (Endpoint | undefined)[] = [];
  readonly sent: { readonly atMs: number; readonly to: Endpoint }[] = [];
  #flying: { atMs: number; run: () => void }[] = [];
  #random = 0;

  constructor(router?: FakeRouter, mapsPorts = true) {
    this.router = router;
    this.mapper = new PortMapper(
      {
        sendDatagram: (datagram, to) => this.#send(datagram, to),
        requestHttp: (id, request) => this.#request(id, request),
      },
      () => this.changes.push(this.mapper.lease?.outside),
      {
        mapsPorts,
        privateKey: new Uint8Array(32).fill(7),
        random: (length) => new Uint8Array(length).fill(++this.#random & 0xff),
      },
    );
  }

  get outside(): Endpoint | undefined {
    return this.mapper.lease?.outside;
  }

  plugIn(gateway: Gateway | undefined = HOME): this {
    this.mapper.setGateway(gateway, PORT, this.now);
    return this;
  }

  run(ms: number): this {
    const endMs = this.now + ms;
    for (let steps = 0; ; steps++) {
      if (steps > 100_000) throw new Error("it never rests");
      this.#flying.sort((a, b) => a.atMs - b.atMs);
      const arrival = this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const next = Math.max(this.now, Math.min(arrival, this.mapper.nextDeadline() ?? arrival));
      if (next > endMs) break;
      this.now = next;
      while ((this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.now) this.#flying.shift()?.run();
      this.mapper.tick(this.now);
    }
    this.now = endMs;
    return this;
  }

  #send(datagram: Uint8Array, to: Endpoint): void {
    this.sent.push({ atMs: this.now, to });
    const { router } = this;
    if (router === undefined) return;
    const [address = "", port] = to.split(":");
    if (address !== router.gateway.address && address !== "239.255.255.250") return;
    const arrive = () => {
      for (const [answer, from] of router.datagram(datagram, Number(port))) {
        this.mapper.receive(answer, endpoint(router.gateway.address, from), this.now);
      }
    };
    this.#flying.push({ atMs: this.now + STEP_MS, run: arrive });
  }

  hear(datagram: Uint8Array, from: Endpoint): void {
    this.mapper.receive(datagram, from, this.now);
  }

  #request(id: number, request: HttpRequest): void {
    const answer = this.router?.http(request);
    const atMs = this.now + (answer === undefined ? 3_000 : STEP_MS);
    this.#flying.push({ atMs, run: () => this.mapper.answered(id, answer, this.now) });
  }
}
