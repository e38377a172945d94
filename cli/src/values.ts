/** What the texts after flags mean. Each parser throws commander's error, which becomes a usage error (exit 2). */
import {
  DATAGRAMS_PATH,
  type Endpoint,
  FURTHER_PORTS_MAX,
  isId,
  isWebsocketUrl,
  keyFromText,
  parseAddress,
  parseEndpoint,
  WEBSOCKET_URL_LENGTH_MAX,
} from "@burrow/protocol";
import type { LogLevel } from "@logtape/logtape";
import { InvalidArgumentError } from "commander";

export interface ListenAddress {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** `127.0.0.1:8080`, `[::]:21820`; names are not resolved, port 0 is allowed. Refusals suggest the port `usual`. */
export const listenAddressLike = (usual: number) => (text: string) => listenAddress(text, usual);

function listenAddress(text: string, usual: number): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text);
  const address = parseListenHost(match?.[1], match?.[2]);
  const port = Number(match?.[3]);
  if (address === undefined || !(port <= 65535)) {
    throw new InvalidArgumentError(`Give an IP address and a port, like 0.0.0.0:${usual} or [::]:${usual}.`);
  }
  return { address, port };
}

function parseListenHost(bracketed: string | undefined, bare: string | undefined): string | undefined {
  if (bracketed !== undefined) return bracketed.includes(":") ? parseAddress(bracketed) : undefined;
  if (bare === "localhost") return "127.0.0.1";
  return bare === undefined ? undefined : parseAddress(bare);
}

/** One address under which others reach this relay. */
export function advertisedEndpoint(text: string, previous: readonly Endpoint[] | undefined): Endpoint[] {
  const added = text.split(",").map((part) => {
    const endpoint = parseEndpoint(part.trim());
    if (endpoint === undefined) {
      throw new InvalidArgumentError("Give a public IP address and a port, like 203.0.113.7:21820.");
    }
    return endpoint;
  });
  return [...(previous ?? []), ...added];
}

/** Latitude and longitude in degrees: `50.11,8.68`. */
export function place(text: string): { lat: number; lon: number } {
  const match = /^\s*(-?[0-9]+(?:\.[0-9]+)?)\s*,\s*(-?[0-9]+(?:\.[0-9]+)?)\s*$/.exec(text);
  const lat = Number(match?.[1]);
  const lon = Number(match?.[2]);
  if (match === null)
    throw new InvalidArgumentError("Give degrees as LAT,LON, like 50.11,8.68 (north and east positive).");
  if (!(Math.abs(lat) <= 90))
    throw new InvalidArgumentError("Latitude goes from -90 to 90 and comes first: LAT,LON.");
  if (!(Math.abs(lon) <= 180)) throw new InvalidArgumentError("Longitude goes from -180 to 180.");
  return { lat, lon };
}

export function coordinatorUrl(text: string): string {
  const hint = "Give its address, like https://burrow.example.net or http://127.0.0.1:8080.";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError(hint);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new InvalidArgumentError(hint);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new InvalidArgumentError("Only scheme, host and port may stand in it.");
  }
  if (/[^/]/.test(url.pathname)) {
    throw new InvalidArgumentError(
      `Leave ${url.pathname} out: a coordinator has a host and port of its own, without a path.`,
    );
  }
  return url.origin;
}

/** A relay's WebSocket door as others reach it; without a path the one that Burrow's relays serve. */
export function websocketUrl(text: string): string {
  const hint = `Give a wss: URL, like wss://relay.example.net${DATAGRAMS_PATH}.`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError(hint);
  }
  if (url.protocol !== "wss:" || url.hostname === "") throw new InvalidArgumentError(hint);
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new InvalidArgumentError("Only scheme, host, port and path may stand in it.");
  }
  if (url.pathname === "/") url.pathname = DATAGRAMS_PATH;
  if (url.href.length > WEBSOCKET_URL_LENGTH_MAX) {
    throw new InvalidArgumentError(`It may have ${WEBSOCKET_URL_LENGTH_MAX} characters.`);
  }
  if (!isWebsocketUrl(url.href)) {
    throw new InvalidArgumentError("Its host must be an IP address, or a name of letters a-z, digits and -.");
  }
  return url.href;
}

export type DeviceChoice =
  | { readonly kind: "tun"; readonly name: string }
  | { readonly kind: "wireguard"; readonly name: string }
  | { readonly kind: "none" };

/** Linux allows 15 bytes without blanks and slashes (IFNAMSIZ in linux/if.h; dev_valid_name in net/core/dev.c). */
const INTERFACE_NAME = /^[^\s/:]{1,15}$/;

export function device(text: string): DeviceChoice {
  if (text === "none") return { kind: "none" };
  const [kind, name, more] = text.split(":");
  if ((kind === "tun" || kind === "wireguard") && name !== undefined && more === undefined) {
    if (INTERFACE_NAME.test(name) && name !== "." && name !== "..") return { kind, name };
    throw new InvalidArgumentError(
      "An interface name has 1 to 15 characters, without blanks, slashes and colons.",
    );
  }
  throw new InvalidArgumentError("Give tun:NAME, wireguard:IFACE or none.");
}

/** Where coordinators keep what they know. Only the file is built so far; the other is named so that asking is clear. */
export function store(text: string): "sqlite" {
  if (text === "sqlite") return "sqlite";
  if (/^nats:\/\/[^/\s:]+:[0-9]{1,5}$/.test(text)) {
    throw new InvalidArgumentError(
      "The NATS store is not there yet; use sqlite, one file in the state directory.",
    );
  }
  throw new InvalidArgumentError("Give sqlite.");
}

/** 0 lets the system choose. */
export function port(text: string): number {
  return whole(text, 0, 65535, "Give a port from 0 to 65535.");
}

export function count(text: string): number {
  return whole(text, 0, 1_000_000, "Give a whole number from 0 to 1000000.");
}

/** More than the largest machines have cores would be a slip. */
export function threads(text: string): number {
  return whole(text, 1, 64, "Give a whole number from 1 to 64.");
}

/** Ports, separated by commas, as many as a relay may announce; `none` for none. */
export function furtherPorts(text: string): readonly number[] {
  if (text.trim() === "none") return [];
  const hint = `Give at most ${FURTHER_PORTS_MAX} ports, separated by commas, like 443,53, or none.`;
  const ports = text.split(",").map((port) => whole(port.trim(), 1, 65_535, hint));
  if (ports.length > FURTHER_PORTS_MAX) throw new InvalidArgumentError(hint);
  return [...new Set(ports)];
}

/** As many as a relay's tables hold. */
export function sessionsMax(text: string): number {
  return whole(text, 1, 32_768, "Give a whole number from 1 to 32768.");
}

/** What an operator adds to a relay's distance. */
export function weightMs(text: string): number {
  const value = /^[+-]?[0-9]{1,4}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(Math.abs(value) <= 1_000)) throw new InvalidArgumentError("Give milliseconds from -1000 to 1000.");
  return value;
}

/** Uses of a token: at least one. */
export function uses(text: string): number {
  return whole(text, 1, 1_000_000, "Give a whole number from 1 to 1000000.");
}

function whole(text: string, min: number, max: number, hint: string): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new InvalidArgumentError(hint);
  return value;
}

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `24h`, `90s`, `1h30m`, `500ms`, `7d`, in milliseconds. */
export function durationMs(text: string): number {
  const parts = [...text.matchAll(/([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)/g)];
  const total = parts.reduce(
    (sum, [, n, unit]) => sum + Number(n) * UNITS_MS[unit as keyof typeof UNITS_MS],
    0,
  );
  if (text === "" || parts.map(([whole]) => whole).join("") !== text) {
    throw new InvalidArgumentError("Give a number and a unit, like 24h, 90s, 1h30m or 500ms.");
  }
  const ms = Math.round(total);
  if (ms < 1) throw new InvalidArgumentError("Give 1ms or more.");
  return ms;
}

/** The coordinator takes no shorter and no longer lives of tokens. */
const TOKEN_LIFE_MIN_MS = 1_000;
const TOKEN_LIFE_MAX_DAYS = 3_650;

export function tokenLifeMs(text: string): number {
  const ms = durationMs(text);
  if (ms < TOKEN_LIFE_MIN_MS || ms > TOKEN_LIFE_MAX_DAYS * UNITS_MS.d) {
    throw new InvalidArgumentError(`Give a time from 1s to ${TOKEN_LIFE_MAX_DAYS}d.`);
  }
  return ms;
}

export function networkName(text: string): string {
  if (LABEL.test(text)) return text;
  throw new InvalidArgumentError("Use letters a-z, digits and -, 63 at most, like office.");
}

/** The WireGuard client that may come in through this agent's relays, and its address in the tunnel. */
export interface OutsideClient {
  readonly publicKey: string;
  readonly address: string;
}

/** 100.64.0.0/10. */
const OVERLAY_V4 = /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;

/** KEY=ADDRESS, repeatable or separated by commas. Keys end in "=" themselves, so the last one counts. */
export function outsideClients(
  text: string,
  previous: readonly OutsideClient[] | undefined,
): OutsideClient[] {
  const added = text.split(",").map((part) => {
    const at = part.lastIndexOf("=");
    const publicKey = part.slice(0, at).trim();
    const address = parseAddress(
      part
        .slice(at + 1)
        .trim()
        .replace(/\/(32|128)$/, ""),
    );
    if (keyFromText(publicKey) === undefined) {
      throw new InvalidArgumentError(
        "Give KEY=ADDRESS; KEY is the client's public key as `wg pubkey` prints it.",
      );
    }
    if (address === undefined) {
      throw new InvalidArgumentError(
        "Give KEY=ADDRESS; ADDRESS is the client's address in the tunnel, like 100.64.9.1.",
      );
    }
    // Which prefix of IPv6 is the network's own, the agent knows when it has joined.
    if (!(address.includes(":") ? /^fd/i : OVERLAY_V4).test(address)) {
      throw new InvalidArgumentError(
        "Give KEY=ADDRESS; ADDRESS is one of 100.64.0.0/10, from its end, like 100.127.255.1.",
      );
    }
    return { publicKey, address };
  });
  const all = [...(previous ?? []), ...added];
  for (const field of ["publicKey", "address"] as const) {
    if (new Set(all.map((client) => client[field])).size < all.length) {
      throw new InvalidArgumentError("Give each client a key and an address of its own.");
    }
  }
  return all;
}

/** A name that works as a DNS label (RFC 1123 §2.1). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export function agentName(text: string): string {
  if (LABEL.test(text)) return text;
  throw new InvalidArgumentError("Use letters a-z, digits and -, 63 at most, like office-laptop.");
}

/** A peer's name, id or address in the overlay; whether there is such a one the agent knows. */
export function peerName(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Give a name, an id or an address, as `burrow peers` shows them.");
}

/** An id of 16 hex digits; `listedBy` names the command that shows them. */
export function idArgument(listedBy: "agents" | "relay list" | "token list"): (text: string) => string {
  return (text) => {
    const id = text.toLowerCase();
    if (isId(id)) return id;
    throw new InvalidArgumentError(`An id has 16 hex digits; \`burrow ${listedBy}\` shows them.`);
  };
}

export function region(text: string): string {
  if (/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u.test(text)) return text;
  throw new InvalidArgumentError("Use letters, digits, blanks and . _ -, 64 at most, like eu-central.");
}

/** From the most talkative to silence but for disasters. */
export const LOG_LEVELS = [
  "trace",
  "debug",
  "info",
  "warning",
  "error",
  "fatal",
] as const satisfies readonly LogLevel[];

export function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((level) => level === text);
  if (level === undefined) throw new InvalidArgumentError(`Give one of ${LOG_LEVELS.join(", ")}.`);
  return level;
}
