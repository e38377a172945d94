/**
 * Proves that every kind of NAT of the lab maps and filters as its name says, by sending through it. Terms of RFC 4787:
 * mapping is what address the outside sees, filtering is who may answer to it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Host } from "./host.ts";
import { NAT_KINDS, type NatKind } from "./nat-kinds.ts";
import { Lab } from "./netns.ts";
import { skipWithoutLab } from "./require.ts";
import { Topology } from "./topology.ts";
import { splitEndpoint, UdpPeer, type UdpSocket } from "./udp.ts";

interface Behaviour {
  /** Whether one socket looks the same to two servers; `none` when it reaches neither. */
  mapping: "endpoint-independent" | "endpoint-dependent" | "none";
  /** Whether the port the servers see is the socket's own. */
  keepsPort: boolean;
  /** Who gets an answer through to that port: anybody, or only the very address and port that was asked. */
  filtering: "anybody" | "port-restricted" | "none";
  tcp: boolean;
}

const EXPECTED: Record<NatKind, Behaviour> = {
  none: { mapping: "endpoint-independent", keepsPort: true, filtering: "anybody", tcp: true },
  "full-cone": { mapping: "endpoint-independent", keepsPort: true, filtering: "anybody", tcp: true },
  "port-restricted": {
    mapping: "endpoint-independent",
    keepsPort: true,
    filtering: "port-restricted",
    tcp: true,
  },
  "port-restricted-stray": {
    mapping: "endpoint-independent",
    keepsPort: true,
    filtering: "port-restricted",
    tcp: true,
  },
  hard: { mapping: "endpoint-dependent", keepsPort: false, filtering: "port-restricted", tcp: true },
  cgnat: { mapping: "endpoint-independent", keepsPort: true, filtering: "port-restricted", tcp: true },
  "udp-blocked": { mapping: "none", keepsPort: false, filtering: "none", tcp: true },
  firewall: { mapping: "endpoint-independent", keepsPort: true, filtering: "port-restricted", tcp: true },
};

/** Whether a plain simultaneous open joins a pair: both send to what a server saw of the other, and answer what comes. */
const PUNCHES: readonly [NatKind, NatKind, boolean][] = [
  ["port-restricted", "port-restricted", true],
  ["cgnat", "firewall", true],
  ["full-cone", "hard", true],
  ["port-restricted-stray", "port-restricted", false],
  ["port-restricted", "hard", false],
];

const ECHO_PORT = 3478;

describe.skipIf(skipWithoutLab("nat-kinds.test.ts"))("the lab", () => {
  let lab: Lab;
  let net: Topology;
  let firstServer: UdpPeer;
  let secondServer: UdpPeer;
  const first = "203.0.113.1";
  const second = "198.51.100.1";

  beforeAll(async () => {
    lab = Lab.open();
    net = await Topology.create(lab);
    const [firstHost, secondHost] = [
      await net.publicHost("first", first),
      await net.publicHost("second", second),
    ];
    firstServer = new UdpPeer(firstHost);
    secondServer = new UdpPeer(secondHost);
    await firstServer.open({ port: ECHO_PORT, echo: true });
    await secondServer.open({ port: ECHO_PORT, echo: true });
    firstHost.namespace.spawn([
      process.execPath,
      "-e",
      "Bun.serve({ port: 80, fetch: () => new Response('web') })",
    ]);
  });

  afterAll(async () => lab.close());

  let sites = 0;
  async function site(kind: NatKind): Promise<{ host: Host; socket: UdpSocket }> {
    sites += 1;
    const hostAddress = kind === "firewall" ? { hostAddress: `192.0.2.${100 + sites}` } : {};
    const host = await net.site(`site${sites}`, kind, `192.0.2.${sites}`, hostAddress);
    return { host, socket: await new UdpPeer(host).open() };
  }

  /** Whether `text` from a new socket of a server reaches `socket`, which looks like `to` from outside. */
  async function reaches(from: UdpPeer, to: string, socket: UdpSocket, text: string): Promise<boolean> {
    (await from.open()).send(text, to);
    return (await socket.next())?.text === text;
  }

  async function measure(host: Host, socket: UdpSocket): Promise<Behaviour> {
    const [seenByFirst, seenBySecond] = [
      await socket.reflexive(`${first}:${ECHO_PORT}`),
      await socket.reflexive(`${second}:${ECHO_PORT}`),
    ];
    const url = `http://${first}/`;
    const tcp = (await host.namespace.run(["curl", "-s", "--max-time", "3", url])).stdout === "web";
    if (seenByFirst === undefined || seenBySecond === undefined) {
      return { mapping: "none", keepsPort: false, filtering: "none", tcp };
    }
    expect(splitEndpoint(seenByFirst).address).toBe(host.publicAddresses[0] ?? "");
    const otherPort = await reaches(firstServer, seenByFirst, socket, "the asked address, another port");
    return {
      mapping: seenByFirst === seenBySecond ? "endpoint-independent" : "endpoint-dependent",
      keepsPort: splitEndpoint(seenByFirst).port === socket.port,
      filtering: otherPort ? "anybody" : "port-restricted",
      tcp,
    };
  }

  for (const kind of NAT_KINDS) {
    test(`${kind}: ${Object.entries(EXPECTED[kind])
      .map((entry) => entry.join(" "))
      .join(", ")}`, async () => {
      const { host, socket } = await site(kind);
      expect(await measure(host, socket)).toEqual(EXPECTED[kind]);
    });
  }

  test("full-cone: a stranger's packet arrives at a socket that has spoken to nobody", async () => {
    const silent = await site("full-cone");
    expect(await reaches(secondServer, outside(silent), silent.socket, "hello")).toBe(true);
  });

  test("port-restricted: a stray packet that came first leaves the answer's port alone", async () => {
    expect(await portAfterStray("port-restricted")).toEqual({ kept: true });
  });

  test("port-restricted-stray: a stray packet that came first takes the answer's port", async () => {
    expect(await portAfterStray("port-restricted-stray")).toEqual({ kept: false });
  });

  /** A server speaks first, from its echo port, to where the host's socket is about to speak from. */
  async function portAfterStray(kind: NatKind): Promise<{ kept: boolean }> {
    const { host, socket } = await site(kind);
    const server = await firstServer.open({ echo: true });
    server.send("stray", outside({ host, socket }));
    expect(await socket.next()).toBeUndefined();
    const seen = await socket.reflexive(`${first}:${server.port}`);
    return { kept: splitEndpoint(seen ?? ":0").port === socket.port };
  }

  /** Waits for the other side's probe and answers to where it came from. */
  async function answersProbe(socket: UdpSocket): Promise<boolean> {
    const probe = await socket.next();
    if (probe !== undefined) socket.send("answer", probe.from);
    return probe !== undefined;
  }

  for (const [one, other, joined] of PUNCHES) {
    test(`${one} and ${other}: a plain simultaneous open ${joined ? "joins them" : "fails"}`, async () => {
      const [a, b] = [await site(one), await site(other)];
      const aSeen = (await a.socket.reflexive(`${first}:${ECHO_PORT}`)) ?? "";
      const bSeen = (await b.socket.reflexive(`${first}:${ECHO_PORT}`)) ?? "";
      // The second side goes first, so that its probe is a stray one to the first side's router.
      b.socket.send("probe", aSeen);
      await Bun.sleep(50);
      a.socket.send("probe", bSeen);
      expect((await Promise.all([answersProbe(a.socket), answersProbe(b.socket)])).every(Boolean)).toBe(
        joined,
      );
    });
  }

  test("port-restricted-stray, both: first probes that die on the way open both doors", async () => {
    const [a, b] = [await site("port-restricted-stray"), await site("port-restricted-stray")];
    const [aSeen, bSeen] = [outside(a), outside(b)];
    // Enough for the own router and the exchange; the far router is the third to count down.
    a.socket.send("dies on the way", bSeen, { ttl: 2 });
    b.socket.send("dies on the way", aSeen, { ttl: 2 });
    await Bun.sleep(50);
    a.socket.send("probe", bSeen);
    b.socket.send("probe", aSeen);
    expect(await a.socket.next()).toEqual({ text: "probe", from: bSeen });
    expect(await b.socket.next()).toEqual({ text: "probe", from: aSeen });
  });

  /** Where a socket is seen from outside when its NAT keeps ports. */
  function outside({ host, socket }: { host: Host; socket: UdpSocket }): string {
    return `${host.publicAddresses[0]}:${socket.port}`;
  }
});
