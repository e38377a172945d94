/**
 * The kinds of NAT the lab can build, as nftables rules of a router with the devices `wan` and `lan`.
 *
 * Why each kind behaves as its name says, on Linux:
 * - `masquerade` keeps the source port as long as the resulting 5-tuple is free, so one inside socket keeps one
 *   outside port towards everybody: endpoint-independent mapping. conntrack admits only replies to the exact remote
 *   address and port: address-and-port-dependent filtering ("port-restricted").
 * - `masquerade fully-random` draws a port per connection, so per destination: address-and-port-dependent mapping.
 * - A `dnat` of all UDP that arrives, to the one inside host, undoes the filtering: full cone.
 * - A packet that nobody asked for is for the router itself. If it is let in (even only to be answered with "port
 *   unreachable"), conntrack confirms an entry remote → router, whose reply tuple is the very one that the inside
 *   host's answer would need: that answer then leaves from another port, and a plain simultaneous open fails. An
 *   `input` chain that drops `ct state new` throws the packet away before its entry is confirmed.
 */

/** What a host can have between itself and the internet. `cgnat` is two `port-restricted` routers in a row. */
export const NAT_KINDS = [
  "none",
  "full-cone",
  "port-restricted",
  "port-restricted-stray",
  "hard",
  "cgnat",
  "udp-blocked",
  "firewall",
] as const;
export type NatKind = (typeof NAT_KINDS)[number];

/** What one router can be: `cgnat` needs two, and two more let UDP out to one port alone, as strict networks do. */
export type RouterKind = Exclude<NatKind, "cgnat"> | "udp-443-only" | "udp-53-only";

/** Whether hosts behind it have private addresses that the router translates. */
export function translates(kind: RouterKind): boolean {
  return kind !== "none" && kind !== "firewall";
}

const ADMIT_REPLIES = 'iifname "wan" ct state new drop';
// IPv6 needs no translation, but homes that filter IPv4 as a side effect of it filter IPv6 on purpose.
const ADMIT_REPLIES_V6 = `meta nfproto ipv6 ${ADMIT_REPLIES}`;
const MASQUERADE = 'oifname "wan" meta nfproto ipv4 masquerade';

interface Rules {
  /** Hook `prerouting`, type nat. */
  inbound: string;
  /** Hook `postrouting`, type nat. */
  outbound: string;
  /** Hook `input`: packets for the router itself. */
  input: string;
  forward: string;
}

/** `insideHost` is the host a full cone hands everything to. */
function rulesOf(kind: RouterKind, insideHost: string): Rules {
  const none: Rules = { inbound: "", outbound: "", input: "", forward: "" };
  switch (kind) {
    case "none":
      return none;
    case "full-cone":
      return {
        ...none,
        inbound: `iifname "wan" meta l4proto udp dnat ip to ${insideHost}`,
        outbound: MASQUERADE,
      };
    case "port-restricted":
      return { ...none, outbound: MASQUERADE, input: ADMIT_REPLIES, forward: ADMIT_REPLIES_V6 };
    case "port-restricted-stray":
      return { ...none, outbound: MASQUERADE, forward: ADMIT_REPLIES_V6 };
    case "hard":
      return {
        ...none,
        outbound: `${MASQUERADE} fully-random`,
        input: ADMIT_REPLIES,
        forward: ADMIT_REPLIES_V6,
      };
    case "udp-blocked":
      return {
        ...none,
        outbound: MASQUERADE,
        input: ADMIT_REPLIES,
        forward: `meta l4proto udp drop\n${ADMIT_REPLIES_V6}`,
      };
    case "udp-443-only":
    case "udp-53-only":
      return {
        ...none,
        outbound: MASQUERADE,
        input: ADMIT_REPLIES,
        forward: `iifname "lan" udp dport != ${kind === "udp-53-only" ? 53 : 443} drop\n${ADMIT_REPLIES_V6}`,
      };
    case "firewall":
      return { ...none, input: ADMIT_REPLIES, forward: ADMIT_REPLIES };
  }
}

/** The nftables script that makes a router this kind, replacing what it was: a router can change while it runs. */
export function natScript(kind: RouterKind, insideHost: string): string {
  const rules = rulesOf(kind, insideHost);
  return `
    table inet router
    delete table inet router
    table inet router {
      chain inbound  { type nat hook prerouting priority dstnat; policy accept;
        ${rules.inbound}
      }
      chain outbound { type nat hook postrouting priority srcnat; policy accept;
        ${rules.outbound}
      }
      chain to_itself { type filter hook input priority filter; policy accept;
        ${rules.input}
      }
      chain through  { type filter hook forward priority filter; policy accept;
        ${rules.forward}
      }
    }
  `;
}
