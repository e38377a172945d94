/** Endpoints: one text and one encoding each, nothing read the way inet_aton reads, and nowhere to be pointed at. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hex, vectors } from "../testing/support.ts";
import { Reader, Writer } from "./bytes.ts";
import {
  ENDPOINT_LENGTH,
  type Endpoint,
  endpoint,
  familyOf,
  hostOf,
  isUsableTarget,
  parseAddress,
  parseEndpoint,
  readEndpoint,
  splitEndpoint,
  type TargetProblem,
  targetProblem,
  writeEndpoint,
} from "./endpoint.ts";

interface EndpointCase {
  readonly text: string;
  readonly endpoint: Endpoint;
  readonly wire: string;
  readonly targetProblem: TargetProblem | null;
}

const cases = await vectors<EndpointCase>("endpoint");
const wireOf = (of: Endpoint) => writeEndpoint(new Writer(ENDPOINT_LENGTH), of).finish();

test("golden vectors: text, canonical text, wire, and what speaks against sending there", () => {
  for (const of of cases) {
    expect(parseEndpoint(of.text)).toBe(of.endpoint);
    expect(wireOf(of.endpoint)).toEqual(hex(of.wire));
    expect(readEndpoint(new Reader(hex(of.wire)))).toBe(of.endpoint);
    expect(targetProblem(of.endpoint) ?? null).toBe(of.targetProblem);
  }
});

test("parsing undoes formatting, for any address and port, in both families", () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
      const canonical = parseAddress(ip);
      if (canonical === undefined) throw new Error(`${ip} is an address`);
      const of = endpoint(canonical, port);
      expect(parseEndpoint(of)).toBe(of);
      expect(splitEndpoint(of)).toEqual({ address: canonical, port });
      expect(familyOf(of)).toBe(canonical.includes(":") ? 6 : 4);
      expect(readEndpoint(new Reader(wireOf(of)))).toBe(of);
    }),
  );
});

test("any 18 bytes with a port are one endpoint, and that one has these bytes", () => {
  const zeros = fc.array(fc.constantFrom(0, 0, 0, 0xff, 1, 0x7f), { minLength: 18, maxLength: 18 });
  const any = fc.uint8Array({ minLength: 18, maxLength: 18 });
  fc.assert(
    fc.property(
      fc.oneof(
        zeros.map((list) => Uint8Array.from(list)),
        any,
      ),
      (bytes) => {
        const of = readEndpoint(new Reader(bytes));
        if (bytes[16] === 0 && bytes[17] === 0) expect(of).toBeUndefined();
        else if (of === undefined) throw new Error("an endpoint was refused");
        else {
          expect(wireOf(of)).toEqual(bytes);
          expect(parseEndpoint(of)).toBe(of);
        }
      },
    ),
  );
});

test("17 bytes are no endpoint", () => {
  const reader = new Reader(new Uint8Array(17).fill(1));
  expect(readEndpoint(reader)).toBeUndefined();
  expect(reader.ok).toBe(false);
});

test("any text is a canonical endpoint, becomes one, or is none", () => {
  const near = fc.string({ unit: fc.constantFrom(..."0123456789abcdefxF:.[]%\n ") });
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (text) => {
      const of = parseEndpoint(text);
      if (of !== undefined) expect(parseEndpoint(of)).toBe(of);
      const address = parseAddress(text);
      if (address !== undefined) expect(parseAddress(address)).toBe(address);
    }),
  );
});

test("mapped IPv4 is IPv4, however it is written; a zone is cut off", () => {
  for (const text of [
    "::ffff:192.0.2.1",
    "::FFFF:C000:0201",
    "0:0:0:0:0:ffff:192.0.2.1",
    "::ffff:192.0.2.1%eth0",
  ]) {
    expect(parseAddress(text)).toBe("192.0.2.1");
  }
  expect(parseAddress("fe80::1%eth0.7")).toBe("fe80::1");
});

test("an IPv4-compatible address is not mapped", () => {
  expect(parseAddress("::192.0.2.1")).toBe("::c000:201");
});

const NO_ADDRESS =
  `1|1.2|1.2.3|0x7f.1|0x7f.0.0.1|017.0.0.1|01.2.3.4|256.1.1.1|1.2.3.4.|.1.2.3.4|1.2.3.4.5|1.2.3.4%eth0
|4294967295|localhost| 1.2.3.4|1.2.3.4 |:|:::|1::2::3|::ffff:0x7f.0.0.1|::ffff:010.0.0.1|::ffff:1.2.3|::1.2.3.4:5
|::%|%eth0|g::|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|12345::|[::1]`.replaceAll("\n", "");

test("what inet_aton would take, and other near misses, are no addresses", () => {
  for (const text of ["", "1.2.3.4\n", "::1\n", ...NO_ADDRESS.split("|")]) {
    expect([text, parseAddress(text)]).toEqual([text, undefined]);
  }
});

const NO_ENDPOINT =
  `1.2.3.4|1.2.3.4:|1.2.3.4:0|1.2.3.4:65536|1.2.3.4:99999|1.2.3.4:080|1.2.3.4:+1|1.2.3.4:1e3|1.2.3.4: 1
|1.2.3.4:1 |1:1|0x7f.1:80|::1|::1:80|[::1]|[::1]:0|[::1]:65536|[fe80::1%eth0]:80|[1.2.3.4]:80|[[::1]]:80|example.org:80
|[::1:80|::1]:80|:80`.replaceAll("\n", "");

test("near misses of an endpoint are none", () => {
  for (const text of ["", "1.2.3.4:1\n", ...NO_ENDPOINT.split("|")]) {
    expect([text, parseEndpoint(text)]).toEqual([text, undefined]);
  }
  expect(parseEndpoint("1.2.3.4:1")).toBe("1.2.3.4:1" as Endpoint);
  expect(parseEndpoint("1.2.3.4:65535")).toBe("1.2.3.4:65535" as Endpoint);
});

const PROBLEMS: Readonly<Record<TargetProblem | "none", readonly string[]>> = {
  unspecified: ["0.0.0.0", "0.1.2.3", "::"],
  loopback: ["127.0.0.1", "127.255.255.255", "::1"],
  "link-local": ["169.254.169.254", "fe80::1", "febf::1"],
  multicast: ["224.0.0.1", "239.255.255.255", "ff02::1"],
  broadcast: ["255.255.255.255"],
  reserved: ["240.0.0.1", "255.255.255.254", "::2", "::7f00:1"],
  overlay: ["100.64.0.1", "100.127.255.255"],
  "port-zero": [],
  none: [
    "1.1.1.1",
    "10.0.0.1",
    "100.63.255.255",
    "100.128.0.0",
    "169.253.0.1",
    "223.255.255.255",
    "192.0.2.1",
  ].concat(["2001:db8::1", "fd00::1", "fec0::1", "fe7f::1", "::1:0:1", "1::"]),
};

test("every range that is no target is named, its neighbours are not", () => {
  for (const [problem, addresses] of Object.entries(PROBLEMS)) {
    for (const address of addresses) {
      const found = targetProblem(endpoint(address, 9)) ?? "none";
      expect([address, found]).toEqual([address, problem as TargetProblem]);
    }
  }
  expect(targetProblem(endpoint("1.1.1.1", 0))).toBe("port-zero");
});

test("a caller may allow loopback, but nobody may allow multicast", () => {
  const loopback = endpoint("127.0.0.1", 9);
  expect(isUsableTarget(loopback)).toBe(false);
  expect(isUsableTarget(loopback, ["loopback"])).toBe(true);
  expect(isUsableTarget(loopback, ["link-local"])).toBe(false);
  expect(isUsableTarget(endpoint("224.0.0.1", 9), ["multicast"])).toBe(false);
  expect(isUsableTarget(endpoint("1.1.1.1", 9))).toBe(true);
});

test("a host is an IPv4 address, or a /64 of IPv6 however its addresses are written", () => {
  expect(hostOf("192.0.2.1")).toBe("192.0.2.1");
  expect(hostOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(hostOf("2001:db8::1")).toBe(hostOf("2001:0db8:0:0:ffff::2"));
  expect(hostOf("2001:db8::1")).not.toBe(hostOf("2001:db8:0:1::1"));
  expect(hostOf("no address")).toBe("no address");
});
