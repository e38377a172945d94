/**
 * What the network around a machine is like, from what a few probes saw: the verdict and the findings behind it, in
 * words for people. The most hindering thing comes first; where one thing explains another, only that one is blamed.
 */

/** How the coordinator's `GET /generate_204`, or its plain HTTP port, answered. */
export type ProbeAnswer =
  /** Ours, and unchanged. `skewMs`: how far this clock is ahead of the coordinator's. */
  | { readonly kind: "exact"; readonly rttMs: number; readonly skewMs: number | undefined }
  /** A page or a redirection that is not ours. */
  | { readonly kind: "portal"; readonly detail: string }
  /** HTTP, but no coordinator, or one that is ill. */
  | { readonly kind: "other"; readonly detail: string }
  | { readonly kind: "proxy"; readonly detail: string }
  | { readonly kind: "certificate"; readonly detail: string }
  /** No network to send by, one that leads nowhere, nothing listens there, silence. */
  | { readonly kind: "offline" | "unreachable" | "closed" | "silent"; readonly detail: string }
  | { readonly kind: "unasked" };

export type NameAnswer =
  | { readonly kind: "resolved"; readonly addresses: readonly string[] }
  /** An address needs no name server; behind a proxy that one resolves. */
  | { readonly kind: "unneeded" }
  /** The name server says that there is no such name; or there is no name server. */
  | { readonly kind: "unknown-name" | "no-answer"; readonly detail: string };

/** By which kind of door a relay is bound. */
export type BoundDoor = "own-port" | "further-port" | "websocket";

export interface Observations {
  /** Its URL, and the name or address in it. */
  readonly coordinator: string;
  readonly host: string;
  /** Without its password. */
  readonly proxy: string | undefined;
  readonly proxyVariable: string | undefined;
  readonly name: NameAnswer;
  readonly probe: ProbeAnswer;
  /** The same over plain HTTP, where the coordinator speaks TLS. */
  readonly plain: ProbeAnswer;
  /** Of every relay that is known; undefined: nobody could ask any. */
  readonly doors: readonly (BoundDoor | undefined)[] | undefined;
  /** The UDP ports that answers came from. */
  readonly ports: readonly number[];
  /** Why the coordinator does not let this agent in. */
  readonly refusal?: { readonly message: string; readonly remedy: string } | undefined;
  /** Another machine has taken this agent's place at the coordinator lately: how often. */
  readonly rival?: { readonly times: number } | undefined;
}

export type Verdict =
  | "fine"
  | "captive-portal"
  | "proxy-refuses"
  | "proxy-needed"
  | "dns-broken"
  | "offline"
  | "no-uplink"
  | "coordinator-down"
  | "refused"
  | "identity-twice"
  | "no-relay-answers"
  | "udp-blocked"
  | "udp-some-ports"
  | "clock-skew"
  | "udp-unknown";

export interface Finding {
  readonly check: "dns" | "proxy" | "http" | "enrolment" | "clock" | "udp";
  readonly status: "ok" | "warning" | "broken" | "unknown";
  readonly text: string;
  readonly remedy?: string;
}

export interface Surroundings {
  readonly verdict: Verdict;
  readonly summary: string;
  readonly findings: readonly Finding[];
  readonly clockSkewMs: number | undefined;
}

/** Tickets and certificates bear less than minutes; below this nobody notices. */
export const SKEW_MAX_MS = 30_000;

const SUMMARIES: Readonly<Record<Verdict, string>> = {
  fine: "nothing is in the way",
  "captive-portal": "a captive portal is in the way: this network wants a sign-in first",
  "proxy-refuses": "the proxy does not let Burrow through",
  "proxy-needed": "this network wants its proxy to be used",
  "dns-broken": "names cannot be resolved",
  offline: "this machine has no network",
  "no-uplink": "this machine's network leads nowhere: its router has no way out",
  "coordinator-down": "the network is there, but the coordinator does not answer",
  refused: "the coordinator refuses this agent",
  "identity-twice": "another machine has this agent's identity",
  "no-relay-answers": "no relay answers, by UDP or by WebSocket",
  "udp-blocked": "UDP is blocked: packets go by WebSocket, and no direct path can be had",
  "udp-some-ports": "only some UDP ports pass: packets reach relays, direct paths are unlikely",
  "clock-skew": "this machine's clock is wrong",
  "udp-unknown": "nothing is in the way of the coordinator; UDP was not tried",
};

export function judge(seen: Observations): Surroundings {
  const findings = [
    nameFinding(seen),
    proxyFinding(seen),
    httpFinding(seen),
    enrolmentFinding(seen),
    clockFinding(seen),
    udpFinding(seen),
  ];
  const verdict = verdictOf(seen);
  return {
    verdict,
    summary: SUMMARIES[verdict],
    findings: findings.filter((finding) => finding !== undefined),
    clockSkewMs: skewOf(seen),
  };
}

function verdictOf({ probe, plain, name, doors, proxy, ...rest }: Observations): Verdict {
  if (probe.kind === "portal" || (probe.kind !== "exact" && plain.kind === "portal")) return "captive-portal";
  if (probe.kind === "proxy") return proxy === undefined ? "proxy-needed" : "proxy-refuses";
  const isReached = doors?.some((door) => door !== undefined) === true;
  if (name.kind === "no-answer" || name.kind === "unknown-name") return "dns-broken";
  if (probe.kind === "offline" && !isReached) return "offline";
  if (probe.kind === "unreachable" && !isReached) return "no-uplink";
  if (probe.kind !== "exact") return "coordinator-down";
  if (rest.refusal !== undefined) return "refused";
  if (rest.rival !== undefined) return "identity-twice";
  if (doors === undefined) return isSkewed({ probe }) ? "clock-skew" : "udp-unknown";
  if (!isReached && doors.length > 0) return "no-relay-answers";
  const bound = doors.filter((door) => door !== undefined);
  if (bound.length > 0 && bound.every((door) => door === "websocket")) return "udp-blocked";
  if (bound.length > 0 && !bound.includes("own-port")) return "udp-some-ports";
  if (isSkewed({ probe })) return "clock-skew";
  return rest.ports.length === 0 ? "udp-unknown" : "fine";
}

function nameFinding({ name, host }: Observations): Finding | undefined {
  switch (name.kind) {
    case "unneeded":
      return undefined;
    case "resolved":
      return { check: "dns", status: "ok", text: `${host} is ${name.addresses.join(", ")}` };
    case "unknown-name":
      return {
        check: "dns",
        status: "broken",
        text: `the name server knows no ${host}`,
        remedy:
          "check the coordinator's name; in a closed network, whether its name server knows outside names",
      };
    case "no-answer":
      return {
        check: "dns",
        status: "broken",
        text: `no name server answers (${name.detail})`,
        remedy: "check /etc/resolv.conf, and that UDP and TCP port 53 reach the server it names",
      };
  }
}

function proxyFinding({ proxy, proxyVariable, probe }: Observations): Finding | undefined {
  if (proxy === undefined && probe.kind !== "proxy") return undefined;
  if (proxy === undefined) {
    return {
      check: "proxy",
      status: "broken",
      text: "a proxy answers in the coordinator's place",
      remedy: "set HTTPS_PROXY and HTTP_PROXY to the proxy's URL for the agent",
    };
  }
  if (probe.kind !== "proxy") return { check: "proxy", status: "ok", text: `${proxy}, by ${proxyVariable}` };
  return {
    check: "proxy",
    status: "broken",
    text: `${proxy}, by ${proxyVariable}: ${probe.detail}`,
    remedy: `put name and password into ${proxyVariable}, name another proxy, or list the coordinator in NO_PROXY`,
  };
}

function httpFinding({ probe, plain, coordinator }: Observations): Finding {
  const check = "http";
  switch (probe.kind) {
    case "exact":
      return { check, status: "ok", text: `the coordinator answers, after ${probe.rttMs.toFixed(0)} ms` };
    case "unasked":
      return { check, status: "unknown", text: "the coordinator was not asked" };
    case "portal":
      return {
        check,
        status: "broken",
        text: `something else answers in the coordinator's place: ${probe.detail}`,
        remedy: "open a page in a browser and sign in to this network",
      };
    case "other":
      return {
        check,
        status: "broken",
        text: `what answers at ${coordinator} is no coordinator: ${probe.detail}`,
        remedy: "check the URL; if it is right, ask its operator whether the coordinator is up",
      };
    case "certificate":
      return {
        check,
        status: "broken",
        text: `the coordinator's certificate is not believed: ${probe.detail}`,
        remedy:
          "check this machine's clock and its CA certificates; a portal or a TLS-inspecting proxy does this too",
      };
    default: {
      const isPortal = plain.kind === "portal";
      const text = isPortal ? `something else answers plain HTTP: ${plain.detail}` : detailOf(probe);
      const portal = "open a page in a browser and sign in to this network";
      const remedy = isPortal ? portal : remedyOf(probe.kind);
      return { check, status: "broken", text, remedy };
    }
  }
}

function detailOf(probe: Extract<ProbeAnswer, { detail: string }>): string {
  return `the coordinator cannot be reached: ${probe.detail}`;
}

function remedyOf(kind: ProbeAnswer["kind"]): string {
  if (kind === "offline") return "connect this machine to a network: `ip route` shows no way out";
  if (kind === "unreachable") {
    return "this machine has a way out (`ip route`), but some router on it has none: check the first one's uplink";
  }
  if (kind === "proxy") return "see the proxy's line";
  return "ask its operator whether it is up; if this network wants a proxy, set HTTPS_PROXY";
}

function enrolmentFinding({ refusal, rival }: Observations): Finding | undefined {
  const check = "enrolment";
  if (refusal !== undefined) {
    const text = `the coordinator refuses this agent: ${refusal.message}`;
    return { check, status: "broken", text, remedy: refusal.remedy };
  }
  if (rival === undefined) return undefined;
  const often = rival.times === 1 ? "once" : `${rival.times} times`;
  return {
    check,
    status: "broken",
    text: `another machine has this agent's identity: it took our place at the coordinator ${often}`,
    remedy:
      "delete identity.json in the state directory of one of them (clones of a machine share it), and enrol that one anew with a token of its own",
  };
}

function skewOf({ probe }: Pick<Observations, "probe">): number | undefined {
  return probe.kind === "exact" ? probe.skewMs : undefined;
}

function isSkewed(seen: Pick<Observations, "probe">): boolean {
  return Math.abs(skewOf(seen) ?? 0) > SKEW_MAX_MS;
}

function clockFinding(seen: Observations): Finding | undefined {
  const skewMs = skewOf(seen);
  if (skewMs === undefined) return undefined;
  const text = `this clock is ${spanText(Math.abs(skewMs))} ${skewMs > 0 ? "ahead of" : "behind"} the coordinator's`;
  if (!isSkewed(seen)) return { check: "clock", status: "ok", text: "agrees with the coordinator's" };
  return {
    check: "clock",
    status: "broken",
    text,
    remedy:
      "set it by NTP: `timedatectl set-ntp true`; the coordinator's machine may be the one that is wrong",
  };
}

function spanText(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

function udpFinding({ doors, ports, refusal }: Observations): Finding {
  const check = "udp";
  if (refusal !== undefined && doors?.some((door) => door !== undefined) !== true) {
    const text = "not to be told: relays answer only agents that the coordinator lets in";
    return { check, status: "unknown", text, remedy: "see the enrolment's line" };
  }
  if (doors === undefined || doors.length === 0) {
    const text =
      doors === undefined ? "not tried: this machine has not joined a network" : "no relay to try it with";
    return { check, status: "unknown", text, remedy: "join with `burrow up`, then ask again" };
  }
  const bound = doors.filter((door) => door !== undefined);
  const shown = ports.toSorted((a, b) => a - b).join(", ");
  if (bound.length === 0) {
    const remedy = "let UDP 21820 out, or UDP 443 or 53, or TCP 443 to relays that have a WebSocket door";
    return { check, status: "broken", text: `none of ${doors.length} relays answers`, remedy };
  }
  if (bound.includes("own-port")) {
    const text = `${bound.length} of ${doors.length} relays answer, by UDP ${shown}`;
    return { check, status: "ok", text };
  }
  if (bound.includes("further-port")) {
    return {
      check,
      status: "warning",
      text: `only some ports pass: relays answer by UDP ${shown}`,
      remedy: "for direct paths, let UDP out to any port",
    };
  }
  return {
    check,
    status: "warning",
    text: `blocked: ${bound.length} of ${doors.length} relays answer, by WebSocket alone`,
    remedy: "for direct paths and less delay, let UDP out, at least to port 21820, 443 or 53",
  };
}
