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
  // ipaddr.js reads "1" and "0x7f.1" as addresses, as inet_aton does: only four decimal parts will do.
  if (!text.includes(":") && !ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  const bare = text.replace(/%.*$/, "");
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : undefined;
}

/** The endpoint of an address and a port that are known to be good (from the kernel, say). */
export function endpoint(address: string, port: number): Endpoint {
  const canonical = address.includes(":") ? parseAddress(address) : address;
  if (canonical === undefined) throw new Error(`not an address: ${address}`);
  return (canonical.includes(":") ? `[${canonical}]:${port}` : `${canonical}:${port}`) as Endpoint;
}

/** An endpoint from text of unknown origin. Ports 1 to 65535; names are not resolved. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  if (address === undefined || !(port >= 1 && port <= 65535)) return undefined;
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

export function writeEndpoint(writer: Writer, of: Endpoint): Writer {
  const { address, port } = splitEndpoint(of);
  const parsed = ipaddr.parse(address);
  const v6 = parsed.kind() === "ipv4" ? (parsed as ipaddr.IPv4).toIPv4MappedAddress() : parsed;
  return writer.put(Uint8Array.from(v6.toByteArray())).u16(port);
}

/** Reads 18 bytes. Undefined (and the reader may still be `ok`) when the port is zero. */
export function readEndpoint(reader: Reader): Endpoint | undefined {
  const bytes = reader.view(16);
  const port = reader.u16();
  if (!reader.ok || port === 0) return undefined;
  return endpoint(ipaddr.fromByteArray([...bytes]).toString(), port);
}
