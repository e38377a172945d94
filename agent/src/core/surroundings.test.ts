/** What is said of a network by what was seen of it: the one thing that hinders most, and what to do. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { judge, type Observations, type Verdict } from "./surroundings.ts";

const FINE: Observations = {
  coordinator: "https://burrow.example",
  host: "burrow.example",
  proxy: undefined,
  proxyVariable: undefined,
  name: { kind: "resolved", addresses: ["203.0.113.1"] },
  probe: { kind: "exact", rttMs: 12, skewMs: 40 },
  plain: { kind: "other", detail: "status 308" },
  doors: ["own-port", "own-port", undefined],
  ports: [21820],
};
const SILENT = { kind: "silent", detail: "no answer within 4 s" } as const;
const PORTAL = { kind: "portal", detail: "it sends us to http://hotel.example (302)" } as const;
const PROXY = { proxy: "http://proxy.example:3128", proxyVariable: "HTTPS_PROXY" } as const;

test.each<[string, Partial<Observations>, Verdict]>([
  ["all well", {}, "fine"],
  ["a proxy in use", PROXY, "fine"],
  ["UDP blocked", { doors: ["websocket", "websocket", undefined], ports: [] }, "udp-blocked"],
  ["only 443", { doors: ["further-port", "websocket"], ports: [443] }, "udp-some-ports"],
  [
    "one relay at its own port is enough",
    { doors: ["further-port", "own-port"], ports: [443, 21820] },
    "fine",
  ],
  ["nothing answers", { doors: [undefined, undefined], ports: [] }, "no-relay-answers"],
  ["never joined", { doors: undefined, ports: [] }, "udp-unknown"],
  ["no relays yet", { doors: [], ports: [] }, "udp-unknown"],
  ["a portal at the coordinator", { probe: PORTAL, doors: undefined }, "captive-portal"],
  ["a portal seen by plain HTTP", { probe: SILENT, plain: PORTAL, doors: undefined }, "captive-portal"],
  ["a web server at port 80 is none", { plain: PORTAL }, "fine"],
  [
    "a portal that also hides names",
    { probe: PORTAL, name: { kind: "no-answer", detail: "EAI_AGAIN" } },
    "captive-portal",
  ],
  ["a proxy that refuses", { ...PROXY, probe: { kind: "proxy", detail: "403" } }, "proxy-refuses"],
  ["a proxy that nobody named", { probe: { kind: "proxy", detail: "407" } }, "proxy-needed"],
  ["no such name", { probe: SILENT, name: { kind: "unknown-name", detail: "ENOTFOUND" } }, "dns-broken"],
  ["no name server", { probe: SILENT, name: { kind: "no-answer", detail: "EAI_AGAIN" } }, "dns-broken"],
  ["no network", { probe: { kind: "offline", detail: "ENETUNREACH" }, doors: [undefined] }, "offline"],
  [
    "a router without uplink",
    { probe: { kind: "unreachable", detail: "EHOSTUNREACH" }, doors: [undefined] },
    "no-uplink",
  ],
  ["no way to the coordinator alone", { probe: { kind: "unreachable", detail: "-" } }, "coordinator-down"],
  ["coordinator down, relays well", { probe: SILENT }, "coordinator-down"],
  ["not a coordinator", { probe: { kind: "other", detail: "status 404" } }, "coordinator-down"],
  [
    "removed",
    { refusal: { message: "An operator has removed this agent.", remedy: "-" }, doors: [undefined] },
    "refused",
  ],
  ["a clone of this machine", { rival: { times: 2 } }, "identity-twice"],
  ["clock ahead", { probe: { kind: "exact", rttMs: 12, skewMs: 3_600_000 } }, "clock-skew"],
  ["clock behind", { probe: { kind: "exact", rttMs: 12, skewMs: -31_000 }, doors: undefined }, "clock-skew"],
])("%s", (_, seen, verdict) => {
  expect(judge({ ...FINE, ...seen }).verdict).toBe(verdict);
});

test("what is broken comes with what to do, and what is well is not called broken", () => {
  const kinds = [
    "exact",
    "portal",
    "other",
    "proxy",
    "certificate",
    "offline",
    "unreachable",
    "closed",
    "silent",
    "unasked",
  ] as const;
  const answer = fc
    .constantFrom(...kinds)
    .map((kind) => ({ kind, detail: "d", rttMs: 1, skewMs: 0 }) as const);
  const door = fc.constantFrom("own-port", "further-port", "websocket", undefined);
  const name = fc.constantFrom("resolved", "unneeded", "unknown-name", "no-answer");
  fc.assert(
    fc.property(
      answer,
      answer,
      fc.option(fc.array(door), { nil: undefined }),
      name,
      (probe, plain, doors, kind) => {
        const found = { kind, addresses: [], detail: "d" } as Observations["name"];
        const seen = { ...FINE, probe, plain, doors, name: found } as Observations;
        const { verdict, findings } = judge(seen);
        for (const { status, remedy } of findings) if (status === "broken") expect(remedy).toBeTruthy();
        if (verdict === "fine") expect(findings.filter(({ status }) => status === "broken")).toEqual([]);
      },
    ),
  );
});

test("only a machine without a route is told to look for one", () => {
  const remedyFor = (kind: "offline" | "unreachable") =>
    judge({ ...FINE, probe: { kind, detail: "EHOSTUNREACH" } }).findings.find(
      ({ check }) => check === "http",
    );
  expect(remedyFor("offline")?.remedy).toContain("shows no way out");
  expect(remedyFor("unreachable")?.remedy).not.toContain("shows no way out");
});
