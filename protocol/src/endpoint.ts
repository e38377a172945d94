/**
 * Endpoints: where a datagram comes from or goes to, as one canonical string, so that they can be map keys.
 * On the wire an endpoint is 18 bytes: 16 of IPv6 address (IPv4 as ::ffff:a.b.c.d, RFC 4291 §2.5.5.2), port LE.
 */
import ipaddr from "ipaddr.js";
import type { Reader, Writer } from "./bytes.ts";

/** `192.0.2.1:21820` or `[2001:db8::1]:21820`; mapped IPv4 is always unmapped. */
export type Endpoint = string & { readonly __brand: "Endpoint" };

export const ENDPOINT_LENGTH = 18;

/** The canonical text of an IP address (mapped IPv4 unmapped, no zone), or undefined if it is none. */
export function parseAddress(text: string): string | undefined {
  if (!text.includes(":")) return ipaddr.IPv4.isValidFourPartDecimal(text) ? text : undefined;
  const hex = withHexTail(text.replace(/%.+$/, ""));
  return hex !== undefined && ipaddr.IPv6.isValid(hex) ? ipaddr.process(hex).toString() : undefined;
}

/**
 * An IPv6 text whose last 32 bits, if written as IPv4, are written as hex. ipaddr.js would read such a tail as
 * inet_aton does ("0x7f.1.1.1", "010.1.1.1") and take "::1.2.3.4" for a mapped address, which it is not.
 */
function withHexTail(text: string): string | undefined {
  if (!text.includes(".")) return text;
  const tailAt = text.lastIndexOf(":") + 1;
  const tail = text.slice(tailAt);
  if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
  return `${text.slice(0, tailAt)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** Whose address it is, for limits: of IPv4 the address itself, of IPv6 its /64, since who has one of it has them all. */
export function hostOf(address: string): string {
  const canonical = parseAddress(address);
  if (!canonical?.includes(":")) return canonical ?? address;
  return `${ipaddr.IPv6.parse(canonical)
    .parts.slice(0, 4)
    .map((part) => part.toString(16))
    .join(":")}::/64`;
}

/** The endpoint of an address and a port that are known to be good (from the kernel, say). */
export function endpoint(address: string, port: number): Endpoint {
  const canonical = address.includes(":") ? parseAddress(address) : address;
  if (canonical === undefined) throw new Error(`not an address: ${address}`);
  return (canonical.includes(":") ? `[${canonical}]:${port}` : `${canonical}:${port}`) as Endpoint;
}

/** An endpoint from text of unknown origin. Ports 1 to 65535 without leading zeros; names are not resolved. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|([0-9.]+)):([1-9][0-9]{0,4})$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  if (address === undefined || !(port <= 65535)) return undefined;
  return endpoint(address, port);
}

export function splitEndpoint(of: Endpoint): { readonly address: string; readonly port: number } {
  const colon = of.lastIndexOf(":");
  const address = of.startsWith("[") ? of.slice(1, colon - 1) : of.slice(0, colon);
  return { address, port: Number(of.slice(colon + 1)) };
}

export function familyOf(of: Endpoint): 4 | 6 {
  return of.startsWith("[") ? 6 : 4;
}

/** The bytes of a canonical IPv4 text as one number, the first the highest. */
export function ipv4Word(address: string): number {
  let [word, byte] = [0, 0];
  for (let i = 0; i < address.length; i++) {
    const letter = address.charCodeAt(i);
    if (letter === DOT) [word, byte] = [word * 256 + byte, 0];
    else byte = byte * 10 + letter - DIGIT_ZERO;
  }
  return word * 256 + byte;
}

const DOT = ".".charCodeAt(0);
const DIGIT_ZERO = "0".charCodeAt(0);

export function writeEndpoint(writer: Writer, of: Endpoint): Writer {
  const { address, port } = splitEndpoint(of);
  if (familyOf(of) === 6) return writer.put(Uint8Array.from(ipaddr.parse(address).toByteArray())).u16(port);
  const word = ipv4Word(address);
  const swapped = ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
  return writer
    .put(MAPPED)
    .u32(swapped >>> 0)
    .u16(port);
}

/** Reads 18 bytes. Undefined (and the reader may still be `ok`) when the port is zero. */
export function readEndpoint(reader: Reader): Endpoint | undefined {
  const bytes = reader.view(16);
  const port = reader.u16();
  if (!reader.ok || port === 0) return undefined;
  if (isMapped(bytes)) return `${bytes.subarray(12).join(".")}:${port}` as Endpoint;
  return `[${ipaddr.fromByteArray([...bytes]).toString()}]:${port}` as Endpoint;
}

/** ::ffff:0:0/96. Nearly every endpoint on the wire is of it, and needs no library to be read or written. */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < MAPPED.length; i++) if (bytes[i] !== MAPPED[i]) return false;
  return true;
}

/** Why no datagram should go to an endpoint that somebody else named. */
export type TargetProblem =
  | "port-zero"
  | "unspecified"
  | "loopback"
  | "link-local"
  | "multicast"
  | "broadcast"
  | "reserved"
  | "overlay";

/** These are no target anywhere. The others are, on one machine or one link: see `isUsableTarget`. */
export const NEVER_TARGETS: ReadonlySet<TargetProblem> = new Set([
  "port-zero",
  "unspecified",
  "multicast",
  "broadcast",
  "reserved",
]);

/**
 * What speaks against sending to an endpoint named by a peer, a relay or the coordinator. Such a name may point a
 * host at itself (127.0.0.1), at a cloud's metadata service (169.254.169.254), at all its neighbours (multicast), or
 * into the tunnel that the packet is meant to carry (100.64.0.0/10). Directed broadcasts cannot be told from here:
 * sockets leave SO_BROADCAST off.
 */
export function targetProblem(of: Endpoint): TargetProblem | undefined {
  const { address, port } = splitEndpoint(of);
  if (port === 0) return "port-zero";
  return familyOf(of) === 4 ? problemOf4(ipv4Word(address)) : problemOf6(ipaddr.IPv6.parse(address).parts);
}

/** May datagrams go there? `despite`: what the caller knows to be fine, such as loopback in a one-machine demo. */
export function isUsableTarget(of: Endpoint, despite: readonly TargetProblem[] = []): boolean {
  const problem = targetProblem(of);
  return problem === undefined || (despite.includes(problem) && !NEVER_TARGETS.has(problem));
}

function problemOf4(word: number): TargetProblem | undefined {
  const [a, b] = [word >>> 24, (word >>> 16) & 0xff];
  if (a === 0) return "unspecified"; // RFC 1122 §3.2.1.3: "this network", not only 0.0.0.0
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link-local";
  if (a === 100 && (b & 0xc0) === 64) return "overlay";
  if (a >= 224 && a < 240) return "multicast";
  if (word === 0xffff_ffff) return "broadcast";
  return a >= 240 ? "reserved" : undefined; // RFC 1112 §4
}

function problemOf6(parts: readonly number[]): TargetProblem | undefined {
  const [first = 0] = parts;
  if (parts.slice(0, 6).every((part) => part === 0)) {
    const low = (parts[6] ?? 0) * 0x1_0000 + (parts[7] ?? 0);
    if (low === 0) return "unspecified";
    return low === 1 ? "loopback" : "reserved"; // IPv4-compatible addresses, RFC 4291 §2.5.5.1
  }
  if (first >= 0xff00) return "multicast";
  return (first & 0xffc0) === 0xfe80 ? "link-local" : undefined;
}
