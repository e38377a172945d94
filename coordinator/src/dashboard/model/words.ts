/** Codes as sentences. A code that is not known here is shown as it is: newer agents may know more. */
import type { Agent, Path, Relay } from "./mesh.ts";
import { milliseconds } from "./units.ts";

export const STATE_WORDS: Readonly<Record<Relay["state"], string>> = {
  healthy: "Healthy",
  draining: "Draining",
  down: "Down",
};

export const KIND_WORDS: Readonly<Record<Path["kind"], string>> = {
  direct: "Direct",
  relay: "By relay",
  none: "No path",
};

const REASONS: Readonly<Record<string, string>> = {
  idle: "Nobody has said anything for a minute; a direct path is looked for when somebody does.",
  "relay-first": "The relay carries at once; a direct path is being looked for.",
  "direct-found": "Probes found this direct path.",
  "direct-silent": "The direct path has fallen silent.",
  "relay-silent": "The relay before has fallen silent.",
  "only-path": "It is the only path that has proven itself so far.",
  "best-relay": "Of the relays that have proven themselves it is the nearest for both.",
  "lower-rtt": "Its round trip is lower than that of the path before.",
  "relay-left": "The relay before is to be left: it drains, or another one is nearer now.",
  "direct-clearly-worse": "A direct path works, but has been much slower than the relay.",
  "direct-too-narrow": "A direct path works, but packets of 1280 bytes do not fit through it.",
  "no-path": "No relay and no address of the peer is known to answer.",
};

export function reasonText(code: string): string {
  return REASONS[code] ?? `${code.replaceAll("-", " ")}.`;
}

export const NAT_WORDS: Readonly<Record<Agent["nat"], string>> = {
  none: "None: its address is its own",
  "endpoint-independent": "Easy: one port for all destinations",
  "address-dependent": "Hard: another port for each destination",
  unknown: "Not known yet",
};

/** Why a pair is still relayed, as far as both ends' NATs tell; undefined when they do not. */
export function whyRelayed(path: Path, agent: Agent, peer: Agent | undefined): string | undefined {
  if (path.kind !== "relay" || path.reason === "idle" || peer === undefined) return undefined;
  if (!peer.online) return "The peer is not connected, and cannot be asked to probe.";
  const hard = [agent, peer].filter(({ nat }) => nat === "address-dependent").length;
  if (hard === 2) {
    return "Both NATs give each destination another port; a forwarded port on one side helps.";
  }
  if (hard === 1) return "One side's NAT gives each destination another port: its ports are being searched.";
  return undefined;
}

/** What others say of a relay's data port. */
export function reachText({ reach }: Relay): string {
  const told = reach.reachedBy + reach.missedBy;
  const relays = told === 0 ? "" : `; ${reach.reachedBy} of ${told} other relays reach it`;
  const own = reach.rttMs === null ? "" : `, ${milliseconds(reach.rttMs)} from the coordinator`;
  switch (reach.verdict) {
    case "works":
      return `Answers${own}${relays}`;
    case "silent":
      return `Silent${relays}`;
    case "unknown":
      return "Nobody else can tell yet";
  }
}

/** What operators want of a relay, beside that it be there. */
export function wishesText({ weightMs, avoid }: Relay): string {
  const weight =
    weightMs === 0
      ? ""
      : `Counts as ${milliseconds(Math.abs(weightMs))} ${weightMs < 0 ? "nearer" : "further off"}`;
  if (avoid) return weight === "" ? "Avoided: only when there is nothing else" : `${weight}; avoided`;
  return weight === "" ? "None" : weight;
}
