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

/** Runs `ip`; a UserError says what it complained of. */
export async function ip(...args: string[]): Promise<void> {
  if (Bun.which("ip") === null) {
    throw new UserError(
      "the `ip` command is missing: it sets the device's addresses and routes",
      "install iproute2",
    );
  }
  const child = Bun.spawn(["ip", ...args], { stdout: "ignore", stderr: "pipe" });
  const [code, complaint] = await Promise.all([child.exited, child.stderr.text()]);
  if (code === 0) return;
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
    await ip(familyFlag(route), "route", "replace", route, "dev", name);
  }
}

function hasIpv6(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "utf8").trim() === "0";
  } catch {
    return false;
  }
}
