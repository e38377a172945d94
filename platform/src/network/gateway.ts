/** The router that packets for the rest of the world go to first, from Linux's table of IPv4 routes. */
import { readFileSync } from "node:fs";
import type { LocalAddress } from "./interfaces.ts";

export interface Gateway {
  /** The router's IPv4 address on our link. */
  readonly address: string;
  readonly interface: string;
  /** Our own address on that link. */
  readonly local: string;
}

export interface DefaultRoute {
  readonly interface: string;
  /** Undefined: whatever is at the other end of the link, as with tunnels. */
  readonly gateway: string | undefined;
  readonly metric: number;
}

/** linux/route.h */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_REJECT = 0x200;
const ANY = "00000000";

/** The default routes of `/proc/net/route` (its columns: proc(5)), best first. Lines that are none are skipped. */
export function parseDefaultRoutes(table: string): DefaultRoute[] {
  const routes: DefaultRoute[] = [];
  for (const line of table.split("\n").slice(1)) {
    const [name, destination, gateway = "", flagsText = "", , , metricText = "", mask] = line
      .trim()
      .split(/\s+/);
    const flags = Number.parseInt(flagsText, 16);
    const metric = Number(metricText);
    if (name === undefined || destination !== ANY || mask !== ANY || !Number.isInteger(metric)) continue;
    if ((flags & RTF_UP) === 0 || (flags & RTF_REJECT) !== 0) continue;
    const isVia = (flags & RTF_GATEWAY) !== 0;
    const address = isVia ? hexAddress(gateway) : undefined;
    if (isVia && address === undefined) continue;
    routes.push({ interface: name, gateway: address, metric });
  }
  return routes.toSorted((a, b) => a.metric - b.metric);
}

/** Whether `/proc/net/ipv6_route` has a route to everywhere (its columns: linux/net/ipv6/route.c, rt6_seq_show). */
export function hasDefaultRoute6(table: string): boolean {
  return table.split("\n").some((line) => {
    const [destination = "", length, , , , , , , flagsText = "", name] = line.trim().split(/\s+/);
    const flags = Number.parseInt(flagsText, 16);
    const isUsable = (flags & RTF_UP) !== 0 && (flags & RTF_REJECT) === 0 && name !== "lo";
    return isUsable && length === "00" && /^0{32}$/.test(destination);
  });
}

/** The kernel prints the four bytes as one number of the host's order, which is little-endian wherever we run. */
function hexAddress(hex: string): string | undefined {
  if (!/^[0-9a-f]{8}$/i.test(hex)) return undefined;
  const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return bytes.join(".");
}

/** Where the best default route leads, if that is a router: a tunnel that takes everything has none. */
export function gatewayOf(
  routes: readonly DefaultRoute[],
  addresses: readonly LocalAddress[],
): Gateway | undefined {
  const [best] = routes;
  if (best?.gateway === undefined) return undefined;
  const { gateway } = best;
  const own = addresses.filter(({ name, family }) => name === best.interface && family === 4);
  const local =
    own.find(({ address, prefixLength }) => sharePrefix(address, gateway, prefixLength)) ?? own[0];
  if (local === undefined) return undefined;
  return { address: gateway, interface: best.interface, local: local.address };
}

function sharePrefix(a: string, b: string, bits: number): boolean {
  const divisor = 2 ** (32 - bits);
  return Math.floor(numberOf(a) / divisor) === Math.floor(numberOf(b) / divisor);
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function defaultRoutes(): DefaultRoute[] {
  try {
    return parseDefaultRoutes(readFileSync("/proc/net/route", "utf8"));
  } catch {
    return [];
  }
}

/** Whether this machine knows a way to everywhere, of either family; undefined where there is no telling. */
export function hasDefaultRoute(): boolean | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return defaultRoutes().length > 0 || hasDefaultRoute6(readFileSync("/proc/net/ipv6_route", "utf8"));
  } catch {
    return false;
  }
}
