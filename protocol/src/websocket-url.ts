/**
 * URLs of relays' WebSocket doors: a part of what the WHATWG URL Standard takes, written down as a grammar, so that a
 * text that passes here makes no URL parser throw or read another host out of it. Scheme, host, port, path and query;
 * no user and no fragment. Names in punycode are left out: whether one is valid takes tables of Unicode to say.
 */
import { parseAddress } from "./endpoint.ts";

/** In characters. */
export const WEBSOCKET_URL_LENGTH_MAX = 256;
/** RFC 1035 §2.3.4. */
const HOST_LENGTH_MAX = 253;

/** RFC 3986 §3.3 and §3.4. */
const SYMBOL = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})";
const URL_PARTS = new RegExp(
  String.raw`^wss://(?:\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|([A-Za-z0-9.-]+))(?::([1-9][0-9]{0,4}))?/${SYMBOL}*(?:\?(?:${SYMBOL}|\?)*)?$`,
);
/** RFC 1123 §2.1. */
const NAME_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

export function isWebsocketUrl(text: string): boolean {
  if (text.length > WEBSOCKET_URL_LENGTH_MAX) return false;
  const [match, ipv6, host = "", port = "443"] = URL_PARTS.exec(text) ?? [];
  if (match === undefined || Number(port) > 65_535) return false;
  return ipv6 === undefined ? isHost(host) : parseAddress(ipv6) !== undefined;
}

function isHost(host: string): boolean {
  const labels = host.split(".");
  const isName = labels.every((label) => NAME_LABEL.test(label) && !/^xn--/i.test(label));
  if (!isName || host.length > HOST_LENGTH_MAX) return false;
  // URL parsers read a host whose last label is a number as an IPv4 address in one of its old spellings (WHATWG §3.5).
  const last = labels.at(-1) ?? "";
  return /^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/.test(last) ? parseAddress(host) !== undefined : true;
}
