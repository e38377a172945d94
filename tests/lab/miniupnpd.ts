/**
 * Debian's miniupnpd, as home routers run it: a port mapper that is not ours, for PCP, NAT-PMP and UPnP. It keeps its
 * rules in chains that it is given.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Lab, Namespace } from "./netns.ts";

const TABLE = "miniupnpd";

const RULES = `
  table inet ${TABLE} {
    chain upnp_forward { }
    chain upnp_nat { }
    chain upnp_postrouting { }
    chain forward { type filter hook forward priority filter; policy accept; jump upnp_forward; }
    chain prerouting { type nat hook prerouting priority dstnat - 1; policy accept; jump upnp_nat; }
    chain postrouting { type nat hook postrouting priority srcnat - 1; policy accept; jump upnp_postrouting; }
  }`;

function settings(natPmp: boolean): string {
  const lines: Readonly<Record<string, string>> = {
    ext_ifname: "wan",
    listening_ip: "lan",
    enable_upnp: "yes",
    enable_natpmp: natPmp ? "yes" : "no",
    secure_mode: "yes",
    http_port: "0",
    uuid: "6d0f3b8e-8d5f-4d0b-9d0e-2f6b7b1d0a01",
    upnp_table_name: TABLE,
    upnp_nat_table_name: TABLE,
    upnp_forward_chain: "upnp_forward",
    upnp_nat_chain: "upnp_nat",
    upnp_nat_postrouting_chain: "upnp_postrouting",
  };
  const rules = ["allow 1024-65535 0.0.0.0/0 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535"];
  return [...Object.entries(lines).map(([name, value]) => `${name}=${value}`), ...rules, ""].join("\n");
}

/** Runs it in a router's namespace. Without `natPmp` it does not speak PCP either. */
export async function runMiniupnpd(
  lab: Lab,
  namespace: Namespace,
  { natPmp }: { readonly natPmp: boolean },
): Promise<void> {
  if (Bun.which("miniupnpd") === null) throw new Error("miniupnpd is missing (Debian: miniupnpd-nftables)");
  await namespace.nft(RULES);
  const folder = join(lab.directory, namespace.name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "miniupnpd.conf");
  await Bun.write(file, settings(natPmp));
  const command = ["miniupnpd", "-d", "-f", file, "-P", join(folder, "miniupnpd.pid")];
  // Its last word before it takes questions; the first ones are repeated anyway.
  await namespace.spawn(command, { label: "miniupnpd" }).waitForLine(/HTTP listening on port/);
}
