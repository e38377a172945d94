/** Addresses and routes of an interface, by iproute2's `ip`. */
import { readFileSync } from "node:fs";
import { UserError } from "@burrow/protocol";

export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
}

export interface InterfaceAddresses {
  readonly addresses: readonly InterfaceAddress[];
  /** Prefixes that the system is to route into the interface: "100.64.0.0/10". */
  readonly routes: readonly string[];
}

/** What an interface has at the moment. */
export interface InterfaceState extends InterfaceAddresses {
  readonly mtu: number;
}

/** Runs `ip`; a UserError says what it complained of. Returns what it printed. */
export async function ip(...args: string[]): Promise<string> {
  if (Bun.which("ip") === null) {
    throw new UserError(
      "the `ip` command is missing: it sets the device's addresses and routes",
      "install iproute2",
    );
  }
  const child = Bun.spawn(["ip", ...args], { stdout: "pipe", stderr: "pipe" });
  const [code, output, complaint] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ]);
  if (code === 0) return output;
  if (/operation not permitted|permission denied/i.test(complaint)) {
    throw new UserError(
      `no right to do \`ip ${args.join(" ")}\``,
      "run as root or give CAP_NET_ADMIN; `--device none` does without a device",
    );
  }
  throw new UserError(
    `\`ip ${args.join(" ")}\` failed: ${complaint.trim()}`,
    "check the address or route that it names; for IPv6, that the system has it enabled (net.ipv6.conf.all.disable_ipv6)",
  );
}

const familyFlag = (address: string) => (address.includes(":") ? "-6" : "-4");

/** Brings an interface up and gives it its addresses and routes, replacing equal ones. IPv6 is left out where the system has none. */
export async function setInterfaceAddresses(name: string, wanted: InterfaceAddresses): Promise<void> {
  const has6 = hasIpv6();
  await ip("link", "set", "dev", name, "up");
  const usable = (address: string) => has6 || !address.includes(":");
  for (const { address, prefixLength } of wanted.addresses.filter((entry) => usable(entry.address))) {
    // Nobody else can have the address: without `nodad` an IPv6 address is unusable for its first second.
    const quick = address.includes(":") ? ["nodad"] : [];
    await ip(familyFlag(address), "addr", "replace", `${address}/${prefixLength}`, "dev", name, ...quick);
  }
  for (const route of wanted.routes.filter(usable)) {
    // The interface may have had addresses before; packets into the overlay must bear the overlay's.
    const source = wanted.addresses.find(({ address }) => familyFlag(address) === familyFlag(route));
    const from = source === undefined ? [] : ["src", source.address];
    await ip(familyFlag(route), "route", "replace", route, "dev", name, ...from);
  }
}

/**
 * Gives one address a route of its own into the interface, with an MTU that the system's senders keep to, or takes it
 * away again (undefined).
 */
export async function setRouteMtu(
  name: string,
  address: string,
  source: string,
  mtu: number | undefined,
): Promise<void> {
  if (address.includes(":") && !hasIpv6()) return;
  if (mtu === undefined) {
    await ip(familyFlag(address), "route", "del", hostPrefix(address), "dev", name).catch(() => {});
    return;
  }
  const how = ["dev", name, "src", source, "mtu", String(mtu)];
  await ip(familyFlag(address), "route", "replace", hostPrefix(address), ...how);
}

const hostPrefix = (address: string) => `${address}/${address.includes(":") ? 128 : 32}`;

/** As much of what `ip -j` prints as is read here, of links and of routes. */
interface IpEntry {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  readonly dst?: string;
}

export async function readInterface(name: string): Promise<InterfaceState> {
  const [links, routes4, routes6] = await Promise.all([
    ip("-j", "addr", "show", "dev", name),
    ip("-j", "-4", "route", "show", "dev", name),
    hasIpv6() ? ip("-j", "-6", "route", "show", "dev", name) : "[]",
  ]);
  // Empty lists are printed as nothing at all by some versions.
  const list = (json: string) => JSON.parse(json.trim() || "[]") as IpEntry[];
  const link = list(links).find(({ ifname }) => ifname === name);
  const infos = link?.addr_info ?? [];
  return {
    mtu: link?.mtu ?? 0,
    addresses: infos.flatMap(({ local, prefixlen }) =>
      local === undefined || prefixlen === undefined ? [] : [{ address: local, prefixLength: prefixlen }],
    ),
    routes: [...list(routes4), ...list(routes6)].flatMap(({ dst }) => dst ?? []),
  };
}

export async function setInterfaceMtu(name: string, mtu: number): Promise<void> {
  await ip("link", "set", "dev", name, "mtu", String(mtu));
}

/** Takes addresses and routes away; what is gone already, with or without its interface, is no failure. */
export async function removeInterfaceAddresses(name: string, unwanted: InterfaceAddresses): Promise<void> {
  for (const route of unwanted.routes) {
    await ip(familyFlag(route), "route", "del", route, "dev", name).catch(() => {});
  }
  for (const { address, prefixLength } of unwanted.addresses) {
    await ip(familyFlag(address), "addr", "del", `${address}/${prefixLength}`, "dev", name).catch(() => {});
  }
}

function hasIpv6(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "utf8").trim() === "0";
  } catch {
    return false;
  }
}
