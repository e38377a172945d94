/** What the router before us gave, in a line or a few. */
import type { PortMappingView } from "../client/shapes.ts";
import { age } from "./units.ts";

const PROTOCOLS = { pcp: "PCP", "nat-pmp": "NAT-PMP", upnp: "UPnP" } as const;

/** What the states mean for the user; `mapped` has more to say. */
const STATES: Readonly<Record<PortMappingView["state"], string>> = {
  off: "off (--port-mapping)",
  "no-gateway": "none: packets leave by no router",
  public: "not needed: this machine has a public address itself",
  asking: "the router is being asked",
  mapped: "",
  unavailable: "none: the router gives no ports",
  leaving: "being given back",
};

/** `203.0.113.9:41641 by PCP, from the router at 192.168.1.1, for 1h12m`, or why there is none. */
export function mappingText(view: PortMappingView, now: number): string {
  const { state, protocol, outside, gateway, expiresMs = now } = view;
  if (state !== "mapped" || protocol === undefined) return STATES[state];
  return `${outside} by ${PROTOCOLS[protocol]}, from the router at ${gateway}, for ${age(expiresMs - now)}`;
}

/** Rows of facts: the state, then why each protocol gave nothing. */
export function mappingFacts(view: PortMappingView, now: number): [string, string][] {
  const rows: [string, string][] = [["port mapping", mappingText(view, now)]];
  if (view.state !== "unavailable") return rows;
  for (const [protocol, problem] of Object.entries(view.problems)) {
    rows.push(["", `${PROTOCOLS[protocol as keyof typeof PROTOCOLS]}: ${problem}`]);
  }
  return rows;
}
