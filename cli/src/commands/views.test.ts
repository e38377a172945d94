/** What people see of an agent: aligned, within 80 columns, with the reasons. */
import { expect, test } from "bun:test";
import type { RelayView as OperatorRelayView, TokenView } from "@burrow/coordinator";
import type { AgentStatus, NetcheckView, PeerView, PingLine, RelayView, WhyView } from "../client/shapes.ts";
import { PLAIN } from "../terminal.ts";
import { showNetcheck } from "./netcheck.ts";
import { showPeers } from "./peers.ts";
import { showPing, showSummary, Tally } from "./ping.ts";
import { showRelayList } from "./relay-list.ts";
import { showRelays } from "./relays.ts";
import { showStatus } from "./status.ts";
import { showTokens } from "./token.ts";
import { showWhy } from "./why.ts";

const NOW = 1_790_000_000_000;

const fits = (text: string) => text.split("\n").filter((line) => line.length > 80 || line !== line.trimEnd());

/** As answers come: JSON that is what it says it is. */
const json = <View>(value: unknown): View => value as View;

const direct = {
  kind: "direct",
  endpoint: "203.0.113.7:41641",
  rttMs: 12.34,
  sinceMs: NOW - 300_000,
} as const;
const relayed = {
  kind: "relay",
  relay: "00112233aabbccdd",
  region: "eu-central",
  sinceMs: NOW - 4_000,
} as const;
const mappedPort = {
  state: "mapped",
  gateway: "192.168.1.1",
  protocol: "pcp",
  outside: "203.0.113.7:41641",
  grantedMs: NOW - 3_600_000,
  expiresMs: NOW + 3_600_000,
  problems: {},
} as const;
const peer = { ipv6: "fd00::1", rxBytes: 104_000_000, txBytes: 1_400 };

test("peers: online first, then by name", () => {
  const peers = json<PeerView[]>([
    { ...peer, id: "1", name: "zoe", ipv4: "100.64.0.4", online: true, path: direct },
    { ...peer, id: "2", name: "ann", ipv4: "100.64.0.2", online: false, path: { kind: "none" } },
    {
      ...{ ...peer, id: "4", name: "cyd", ipv4: "100.64.0.5", online: false, path: relayed },
      ...{ lastSeenMs: NOW - 7_200_000, lastHeardMs: NOW - 7_201_000 },
    },
    // Whom the coordinator lost sight of, and who talks to us all the same.
    {
      ...{ ...peer, id: "5", name: "dan", ipv4: "100.64.0.6", online: false, path: direct },
      ...{ lastSeenMs: NOW - 60_000, lastHeardMs: NOW - 400 },
    },
    { ...peer, id: "3", name: "bob", ipv4: "100.64.0.3", online: true, path: relayed },
  ]);
  const text = showPeers(peers, PLAIN, NOW);
  expect(text).toBe(
    [
      "NAME  ADDRESS     PATH                          RTT  FOR      RX      TX",
      "bob   100.64.0.3  relay eu-central                -   4s  104 MB  1.4 KB",
      "zoe   100.64.0.4  direct 203.0.113.7:41641  12.3 ms   5m  104 MB  1.4 KB",
      "ann   100.64.0.2  offline                         -    -  104 MB  1.4 KB",
      "cyd   100.64.0.5  offline                         -   2h  104 MB  1.4 KB",
      "dan   100.64.0.6  direct 203.0.113.7:41641  12.3 ms   5m  104 MB  1.4 KB",
      "",
    ].join("\n"),
  );
});

test("peers with long names and addresses still fit", () => {
  const path = { ...direct, endpoint: "[2001:db8:1111:2222:3333:4444:5555:6666]:41641" };
  const peers = json<PeerView[]>([
    { ...peer, id: "1", name: "n".repeat(63), ipv4: "100.127.255.254", online: true, path },
  ]);
  expect(fits(showPeers(peers, PLAIN, NOW))).toEqual([]);
});

test("nobody there yet: what to do", () => {
  expect(showPeers([], PLAIN, NOW)).toContain("burrow up");
  expect(showRelays([], PLAIN)).toContain("burrow relay");
});

test("relays: home first, and why it is home", () => {
  const relay = { state: "healthy", standby: false, bound: true, samples: 5 };
  const relays = json<RelayView[]>([
    { ...relay, id: "1".repeat(16), region: "us-east", home: false, rttMs: 98, expectedRttMs: 104 },
    { ...relay, id: "2".repeat(16), region: "eu-central", home: true, rttMs: 7.2, reason: "nearest: 7.2 ms" },
  ]);
  const lines = showRelays(relays, PLAIN).split("\n");
  expect(lines[1]).toMatch(/^eu-central\s+2{16}\s+healthy\s+home\s+7\.2 ms\s+5\s+-$/);
  expect(lines[2]).toStartWith("us-east");
  expect(lines.at(-2)).toBe("home because: nearest: 7.2 ms");
  const weighted = showRelays(
    relays.map((one, i) => ({ ...one, penaltyMs: i === 0 ? 20_000 : -20 })),
    PLAIN,
  ).split("\n");
  expect(weighted[0]).toMatch(/RTT +ADDED +EXPECTED$/);
  expect(weighted[1]).toMatch(/^eu-central .* 7\.2 ms +-20\.0 ms +-$/);
  expect(weighted[2]).toMatch(/^us-east .* 98\.0 ms +last +104 ms$/);
});

test("status", () => {
  const status = json<AgentStatus>({
    id: "aabbccddeeff0011",
    name: "ann",
    network: "default",
    ipv4: "100.64.0.2",
    ipv6: "fd12:3456:789a::aabb:ccdd:eeff:11",
    coordinator: { url: "https://burrow.example.net", state: "up", sinceMs: NOW - 60_000 },
    home: { relay: "2".repeat(16), region: "eu-central", rttMs: 7.2, reason: "nearest: 7.2 ms" },
    device: { kind: "tun", name: "burrow0" },
    natMapping: "endpoint-independent",
    peers: { total: 4, online: 3, direct: 2, relayed: 1, idle: 1 },
  });
  const text = showStatus(status, PLAIN, NOW);
  expect(fits(text)).toEqual([]);
  expect(text).toContain("eu-central (2222222222222222), 7.2 ms");
  expect(text).toContain("up, for 1m");
  expect(text).toContain("tun:burrow0");
  expect(text).toContain("3 of 4 online; 2 direct, 1 relayed, 1 idle");
});

test("WireGuard clients are shown with their last handshake, and what began this moment is not `for now`", () => {
  const client = { publicKey: "k", address: "100.127.255.1", rxBytes: 1_400, txBytes: 0 };
  const text = showStatus(
    json<AgentStatus>({
      id: "1".repeat(16),
      coordinator: { url: "https://c.example", state: "up", sinceMs: NOW - 100 },
      device: { kind: "none" },
      peers: { total: 0, online: 0, direct: 0, relayed: 0, idle: 0 },
      clients: [
        { ...client, lastHandshakeMs: NOW - 42_000 },
        { ...client, address: "100.127.255.2" },
      ],
    }),
    PLAIN,
    NOW,
  );
  expect(text).toContain("up, just now\n");
  expect(text).toContain("100.127.255.1: last handshake 42s ago; 1.4 KB in, 0 B out\n");
  expect(text).toContain("100.127.255.2: no handshake yet\n");
});

test("names as long as they may be, and long reasons, go on below themselves", () => {
  const home = { relay: "2".repeat(16), region: "r".repeat(40), rttMs: 7.2, reason: "because ".repeat(20) };
  const long = showStatus(
    json<AgentStatus>({
      id: "1".repeat(16),
      name: "n".repeat(44),
      network: "w".repeat(30),
      coordinator: { url: "https://c.example", state: "up", sinceMs: NOW - 61_000 },
      device: { kind: "none" },
      peers: { total: 0, online: 0, direct: 0, relayed: 0, idle: 0 },
      home,
    }),
    PLAIN,
    NOW,
  );
  expect(fits(long)).toEqual([]);
  expect(long).toMatch(/ in\n {13}network w{30}\n/);
  const relay = { state: "healthy", standby: false, bound: true, samples: 5, id: "2".repeat(16) };
  const relays = json<RelayView[]>([{ ...relay, region: "us", home: true, rttMs: 98, reason: home.reason }]);
  expect(fits(showRelays(relays, PLAIN))).toEqual([]);
});

test("tokens: those that still let somebody in first, the youngest of them before all", () => {
  const token = { for: "agent", uses: 20, used: 3, expiresAtMs: NOW + 86_400_000, createdAtMs: NOW - 90_000 };
  const tokens = json<TokenView[]>([
    { ...token, id: "1".repeat(16), network: "office", state: "used-up", used: 20 },
    { ...token, id: "2".repeat(16), network: "n".repeat(63), state: "usable" },
    { ...token, id: "3".repeat(16), network: null, for: "relay", state: "usable", createdAtMs: NOW - 5_000 },
    { ...token, id: "4".repeat(16), network: "office", state: "expired", expiresAtMs: NOW - 1 },
  ]);
  const text = showTokens(tokens, PLAIN, NOW);
  expect(fits(text)).toEqual([]);
  const lines = text.split("\n");
  expect(lines[1]).toMatch(/^3{16} +relay +all +3\/20 +usable +5s +in 24h$/);
  expect(lines.slice(2, 5).map((line) => line[0])).toEqual(["2", "1", "4"]);
  expect(lines[4]).toEndWith("-");
  expect(showTokens([], PLAIN, NOW)).toContain("burrow token create");
});

test("why: of a peer that is not there, since when", () => {
  const seen = { online: false, lastSeenMs: NOW - 7_200_000, lastHeardMs: NOW - 7_201_000 };
  const why = json<WhyView>({
    peer: {
      ...peer,
      ...seen,
      id: "1",
      name: "cyd",
      ipv4: "100.64.0.5",
      path: { ...relayed, reason: "relay-first" },
    },
    ...{ portMapping: { state: "none", problems: {} }, reasons: [], attempts: [] },
  });
  expect(showWhy(why, PLAIN, NOW)).toStartWith("cyd: offline, last seen 2h ago\n");
});

test("why: path, reason, history, attempts", () => {
  const why = json<WhyView>({
    peer: {
      ...peer,
      id: "1",
      name: "bob",
      ipv4: "100.64.0.3",
      online: true,
      path: { ...relayed, reason: "direct-silent" },
    },
    portMapping: mappedPort,
    pairReason: "by mumbai: 60.0 ms measured + 50.0 ms measured = 110.0 ms",
    reasons: [
      { atMs: NOW, event: "direct-silent", detail: "packets out and nothing back, ".repeat(4).trim() },
    ],
    attempts: [
      {
        kind: "direct",
        origin: "reflexive",
        endpoint: "203.0.113.7:41641",
        state: "lost",
        sent: 12,
        acked: 0,
      },
      {
        ...relayed,
        origin: "relay",
        state: "proven",
        sent: 3,
        acked: 3,
        rttMs: 1.2,
        lastHeardMs: NOW - 2_000,
      },
    ],
  });
  const text = showWhy(why, PLAIN, NOW);
  expect(fits(text)).toEqual([]);
  expect(text).toStartWith(
    "bob: relay eu-central, for 4s\n  because: direct-silent\n  relays:  by mumbai: 60.0 ms measured",
  );
  expect(text).toMatch(/reflexive 203\.0\.113\.7:41641 {2}lost +12 +0 +- +never\n/);
  expect(text).toContain("  own port: 203.0.113.7:41641 by PCP");
  expect(text).toMatch(/relay eu-central +proven +3 +3 +1\.2 ms +2s\n/);
});

test("relay list: by region, with the reasons of those that are not as usual", () => {
  const reach = { verdict: "works", coordinator: true, rttMs: 1, reachedBy: 2, missedBy: 0 } as const;
  const usual = {
    state: "healthy",
    reason: "heartbeats arrive; its UDP port answers",
    sinceMs: NOW - 300_000,
    reach,
    network: null,
    weightMs: 0,
    avoid: false,
    load: { sessions: 12, sessionsMax: 32_768 },
    sessions: 12,
    agents: 7,
  };
  const relays = json<OperatorRelayView[]>([
    {
      ...usual,
      id: "2".repeat(16),
      region: "us-east",
      state: "down",
      reason: "heartbeats arrive, but its UDP port does not answer: 0 of 2 other relays reach it",
    },
    { ...usual, id: "1".repeat(16), region: "eu-central" },
    { ...usual, id: "3".repeat(16), region: "z".repeat(60), network: "office", weightMs: -20, avoid: true },
  ]);
  const text = showRelayList(relays, PLAIN, NOW);
  expect(fits(text)).toEqual([]);
  expect(text).toMatch(
    /^REGION +ID +STATE +SINCE +AGENTS +LOAD\neu-central +1{16} +healthy +5m +7 +12\/32768\n/,
  );
  expect(text).toContain(
    `\n${"2".repeat(16)}  heartbeats arrive, but its UDP port does not answer: 0 of 2\n`,
  );
  expect(text).toContain(
    `\n${"3".repeat(16)}  serves the network office alone; counts as 20 ms nearer; is\n`,
  );
  expect(text).not.toContain(`\n${"1".repeat(16)}`);
  expect(showRelayList([], PLAIN, NOW)).toContain("burrow token create --for relay");
});

test("why: where a line has no room for both, the address is whole and its kind left out", () => {
  const attempt = { ...direct, origin: "peer-reflexive", endpoint: "203.0.113.107:41641", state: "proven" };
  const mapping = { state: "off", problems: {} };
  const counts = { sent: 12, acked: 12, mtuBytes: 1360, lastHeardMs: NOW - 11_520_000 };
  const path = { ...direct, reason: "" };
  const text = showWhy(
    json<WhyView>({
      peer: { ...peer, name: "zoe", path },
      portMapping: mapping,
      reasons: [],
      attempts: [{ ...attempt, ...counts }],
    }),
    PLAIN,
    NOW,
  );
  expect(fits(text)).toEqual([]);
  expect(text).toMatch(/\n203\.0\.113\.107:41641 +proven +12 /);
});

test("a handshake that does not complete is told in `why` and in `status`", () => {
  const path = { ...direct, reason: "" };
  const stuck = { ...peer, id: "1", name: "zoe", path, handshakeStuckSinceMs: NOW - 15_000 };
  const mapping = { state: "off", problems: {} };
  const why = json<WhyView>({ peer: stuck, portMapping: mapping, reasons: [], attempts: [] });
  const text = showWhy(why, PLAIN, NOW).replace(/\s+/g, " ");
  expect(text).toContain("no WireGuard handshake completes: is the clock of either side wrong? (for 15s)");
  const status = json<AgentStatus>({
    id: "1".repeat(16),
    coordinator: { url: "https://c.example", state: "up", sinceMs: NOW - 1_000 },
    device: { kind: "none" },
    peers: { total: 1, online: 1, direct: 1, relayed: 0, idle: 0 },
    handshakesStuck: ["zoe"],
  });
  expect(showStatus(status, PLAIN, NOW).replace(/\s+/g, " ")).toContain(
    "no WireGuard handshake completes with zoe",
  );
});

test("netcheck", () => {
  const check = json<NetcheckView>({
    natMapping: "address-dependent",
    natPorts: { order: "sequential", step: 2, last: 40_002 },
    hairpin: false,
    portMapping: mappedPort,
    candidates: [{ kind: "host", endpoint: "192.168.1.5:41641" }],
    relays: [{ id: "2".repeat(16), region: "eu-central", rttMs: 7.2, observed: "203.0.113.7:41641" }],
  });
  const text = showNetcheck(check, PLAIN, NOW);
  expect(fits(text)).toEqual([]);
  expect(text).toContain("direct paths are hard");
  expect(text).toContain("ports in order, 2 apart");
  expect(text).toContain("no hairpin");
  expect(text).toContain("203.0.113.7:41641 by PCP, from the router at 192.168.1.1, for 1h");
  expect(text).toContain("203.0.113.7:41641");
});

test("netcheck: a machine with IPv6 alone has no NAT to wait for", () => {
  const check = {
    natMapping: "unknown",
    portMapping: { state: "off", problems: {} },
    candidates: [],
    relays: [],
  };
  const showFor = (ipv4: boolean, ipv6: boolean) =>
    showNetcheck(json<NetcheckView>({ ...check, ipv4, ipv6 }), PLAIN, NOW);
  expect(showFor(false, true)).toMatch(/^NAT +none \(IPv6 only\)\n/);
  expect(showFor(false, true)).not.toContain("until two relays");
  expect(showFor(true, true)).toContain("until two relays");
});

test("ping: each answer with its path, and the sum of it", () => {
  const tally = new Tally();
  const lines = json<PingLine[]>([
    { seq: 1, rttMs: 23.1, path: relayed },
    { seq: 2, timeout: true },
    { seq: 3, rttMs: 1.9, path: direct },
  ]);
  for (const line of lines) tally.add(line);
  expect(lines.map((line) => showPing(line, PLAIN))).toEqual([
    "  1    23.1 ms  relay eu-central\n",
    "  2  no answer\n",
    "  3     1.9 ms  direct 203.0.113.7:41641\n",
  ]);
  const [first, , last] = lines;
  expect(showPing(last as PingLine, PLAIN, first?.path)).toBe(
    "  3     1.9 ms  direct 203.0.113.7:41641  new path\n",
  );
  expect(showPing(last as PingLine, PLAIN, last?.path)).not.toContain("new path");
  expect(showSummary("bob", tally.summary())).toBe(
    "bob: 3 sent, 2 answered, 33% lost; min 1.9 ms, avg 12.5 ms, max 23.1 ms\n",
  );
  expect(showSummary("bob", new Tally().summary())).toBe("bob: 0 sent, 0 answered, 0% lost\n");
});
