/** The machine's own addresses. */
import { readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

export interface LocalAddress {
  /** The interface that has it. */
  readonly name: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly prefixLength: number;
  /** Loopback. */
  readonly internal: boolean;
  /** fe80::/10 or 169.254.0.0/16: means something on its own link only. */
  readonly linkLocal: boolean;
  /** fc00::/7 (RFC 4193) or the ranges of RFC 1918 and RFC 6598: no address of the public internet. */
  readonly privateUse: boolean;
  /** The MAC address, "00:00:00:00:00:00" where there is none. */
  readonly mac: string;
}

export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address) || address.startsWith("169.254.");
}

export function isPrivateUse(address: string): boolean {
  if (address.includes(":")) return /^f[cd][0-9a-f]{2}:/i.test(address);
  const [a = 0, b = 0] = address.split(".").map(Number);
  return (
    a === 10 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b < 128)
  );
}

function toLocalAddress(name: string, info: NetworkInterfaceInfo): LocalAddress {
  const prefixLength = Number(info.cidr?.split("/")[1] ?? (info.family === "IPv4" ? 32 : 128));
  return {
    name,
    address: info.address,
    family: info.family === "IPv4" ? 4 : 6,
    prefixLength,
    internal: info.internal,
    linkLocal: isLinkLocal(info.address),
    privateUse: isPrivateUse(info.address),
    mac: info.mac,
  };
}

/** Linux: an interface without a link layer (ARPHRD_NONE) is a tunnel, be it TUN or WireGuard; or a mobile modem. */
export function isTunnelInterface(name: string): boolean {
  const read = (file: string) => readFileSync(`/sys/class/net/${name}/${file}`, "utf8");
  try {
    return read("type").trim() === "65534" && !read("uevent").includes("DEVTYPE=wwan");
  } catch {
    return false;
  }
}

/** Every address of every interface that is up, ordered so that equal states give equal lists. */
export function localAddresses(): LocalAddress[] {
  const found: LocalAddress[] = [];
  for (const [name, infos] of Object.entries(networkInterfaces())) {
    for (const info of infos ?? []) found.push(toLocalAddress(name, info));
  }
  return found.sort((a, b) => order(a.name, b.name) || order(a.address, b.address));
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
