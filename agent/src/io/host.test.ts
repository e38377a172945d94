/** The agent's machine, wherever it runs, does the same: two hosts on loopback, real sockets, and a coordinator of a few lines. */
import { afterEach, describe, expect, test } from "bun:test";
import { hasBatchedCalls, nativePrimitives, openUdp } from "@burrow/platform";
import {
  type AgentId,
  agentIdOf,
  type Candidate,
  endpoint,
  keyToText,
  type NetworkId,
  type PeerInfo,
  type PublicKey,
  type ToAgent,
} from "@burrow/protocol";
import type { AgentHost, HostOptions } from "./host.ts";
import { openMainThreadHost } from "./main-thread-host.ts";
import type { ShellReport } from "./shell.ts";
import { openThreadHost } from "./thread-host.ts";

const PATIENCE_MS = 10_000;
const AGAIN_MS = 200;
const NETWORK = "00000000000000aa" as NetworkId;

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition(); await Bun.sleep(5)) {
    if (performance.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
  }
}

interface Member {
  readonly info: PeerInfo;
  readonly host: AgentHost;
  readonly reports: ShellReport[];
  candidates: readonly Candidate[];
}

/** Agents that know each other, and what a coordinator does for them. */
class Mesh {
  readonly members: Member[] = [];
  readonly #open: (options: HostOptions) => Promise<AgentHost>;

  constructor(open: (options: HostOptions) => Promise<AgentHost>) {
    this.#open = open;
  }

  async add(): Promise<Member> {
    const primitives = nativePrimitives();
    const privateKey = primitives.randomBytes(32);
    const publicKey = primitives.x25519Public(privateKey) as PublicKey;
    const n = this.members.length + 1;
    const reports: ShellReport[] = [];
    const host = await this.#open({
      settings: {
        privateKey,
        publicKey,
        answersEchoes: true,
        loopbackCandidates: true,
        punchesHardNats: false,
        mapsPorts: false,
        statedEndpoints: [],
        outsideClients: [],
        firstSequence: 1,
        interfacePort: undefined,
      },
      port: 0,
      device: "none",
      openSocket: undefined,
      report: (report) => {
        reports.push(report);
        this.#heard(member, report);
      },
    });
    const info: PeerInfo = {
      id: agentIdOf(publicKey),
      key: keyToText(publicKey),
      name: `p${n}`,
      ipv4: `100.64.0.${n}`,
      ipv6: `fd00::${n}`,
      online: true,
      relays: [],
    };
    const member: Member = { info, host, reports, candidates: [] };
    this.members.push(member);
    return member;
  }

  /** Everybody is told of everybody, and of its own addresses. */
  welcomeAll(): void {
    for (const { host, info } of this.members) {
      host.setChannel(true);
      const local = [endpoint("127.0.0.1", host.port)];
      host.command({ type: "network", local, gateway: undefined });
      const message: ToAgent = {
        type: "welcome",
        agent: { ...info, network: NETWORK, networkName: "test" },
        observed: { address: "127.0.0.1" },
        relays: [],
        ranking: [],
        tickets: [],
        peers: this.members.filter((other) => other.info.id !== info.id).map((other) => other.info),
      };
      host.command({ type: "message", message });
    }
  }

  #of(id: AgentId): Member | undefined {
    return this.members.find(({ info }) => info.id === id);
  }

  #heard(member: Member, report: ShellReport): void {
    if (report.type !== "say") return;
    const { message } = report;
    if (message.type === "candidates") member.candidates = message.candidates;
    const peer = message.type === "introduce" ? this.#of(message.peer) : undefined;
    if (peer === undefined) return;
    for (const [to, about] of [
      [member, peer],
      [peer, member],
    ] as const) {
      const candidates = [...about.candidates];
      const probe = { type: "probe-now", peer: about.info.id, candidates, nat: "unknown" } as const;
      to.host.command({ type: "message", message: probe });
    }
  }
}

const opened: AgentHost[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((host) => host.close()));
});

const KINDS = [
  { name: "portable", open: openMainThreadHost, skip: false },
  { name: "thread", open: openThreadHost, skip: !hasBatchedCalls() },
] as const;

describe.each(KINDS.filter(({ skip }) => !skip))("$name", ({ open }) => {
  async function pair(): Promise<readonly [Member, Member, Mesh]> {
    const mesh = new Mesh(open);
    const [a, b] = [await mesh.add(), await mesh.add()];
    opened.push(a.host, b.host);
    mesh.welcomeAll();
    return [a, b, mesh];
  }

  const echoesOf = ({ reports }: Member) =>
    reports.flatMap((report) =>
      report.type === "event" && report.event.type === "echo" ? report.event.reply : [],
    );
  const ping = (from: Member, to: Member, sequence: number) =>
    from.host.command({ type: "ping", peer: to.info.id, identifier: 7, sequence });
  const sequencesOf = (member: Member) => new Set(echoesOf(member).map(({ sequence }) => sequence));
  /** Without a relay, whoever has not proven its own way back yet drops the answer: so it is asked again. */
  const talking = async (from: Member, to: Member) => {
    let askedMs = Number.NEGATIVE_INFINITY;
    await until("the first echo", () => {
      if (performance.now() - askedMs > AGAIN_MS) {
        askedMs = performance.now();
        ping(from, to, 1);
      }
      return echoesOf(from).length > 0;
    });
  };
  const troubles = (...members: readonly Member[]) =>
    members.flatMap(({ reports }) => reports.filter(({ type }) => type === "trouble"));

  test("two agents find each other and talk through the tunnel", async () => {
    const [a, b] = await pair();
    await talking(a, b);
    for (let i = 2; i <= 200; i++) ping(a, b, i);
    await until("the other echoes", () => sequencesOf(a).size === 200);
    expect(echoesOf(a).every(({ via }) => via.kind === "direct")).toBe(true);
    const [peer] = await a.host.ask("peers", undefined);
    expect(peer).toMatchObject({ id: b.info.id, path: { kind: "direct" } });
    expect(await b.host.ask("why", a.info.id)).toMatchObject({ peer: { name: "p1" } });
    expect(await a.host.ask("why", a.info.id)).toBeUndefined();
    expect((await a.host.ask("status", undefined)).peers).toMatchObject({ total: 1, direct: 1 });
    expect(troubles(a, b)).toEqual([]);
  });

  test("its map is reported, and changes to it", async () => {
    const [a, , mesh] = await pair();
    await until("the map", () => a.reports.some(({ type }) => type === "netmap"));
    const added = { ...a.info, id: agentIdOf(new Uint8Array(32).fill(9) as PublicKey), name: "late" };
    const info = { ...added, key: keyToText(new Uint8Array(32).fill(9) as PublicKey), ipv4: "100.64.0.9" };
    for (let i = 0; i < 20; i++) {
      a.host.command({ type: "message", message: { type: "peers", upsert: [info], remove: [] } });
    }
    const maps = () => a.reports.flatMap((report) => (report.type === "netmap" ? report.netmap : []));
    await until(
      "the new peer",
      () =>
        maps()
          .at(-1)
          ?.peers.some(({ name }) => name === "late") === true,
    );
    // Many changes at once are one report, or two.
    expect(maps().length).toBeLessThanOrEqual(3);
    expect(mesh.members.length).toBe(2);
  });

  test("any bytes at its port, and the tunnel goes on", async () => {
    const [a, b] = await pair();
    await talking(a, b);
    const { randomBytes } = nativePrimitives();
    const socket = await openUdp({ address: "127.0.0.1", port: 0, family: 4, onBatch() {} });
    const target = socket.addresses.intern("127.0.0.1", a.host.port);
    for (let i = 0; i < 2_000; i++) {
      const junk = randomBytes(i % 300);
      if (i % 2 === 0 && junk.length > 4) junk.set([(i % 4) + 1, 0, 0, 0]);
      if (i % 7 === 0 && junk.length > 1) junk[0] = 0xb1 + (i % 5);
      socket.send(target, junk);
      if (i % 100 === 0) {
        socket.flush();
        ping(a, b, 100 + i);
        await Bun.sleep(1);
      }
    }
    socket.flush();
    socket.close();
    ping(a, b, 9_999);
    await until("an echo after all", () => echoesOf(a).some(({ sequence }) => sequence === 9_999));
    expect(Object.keys((await a.host.ask("status", undefined)).drops)).not.toEqual([]);
    expect(troubles(a, b)).toEqual([]);
  });

  test("closed, it answers nothing and takes nothing any more", async () => {
    const [a, b] = await pair();
    await a.host.close();
    await a.host.close();
    ping(a, b, 1);
    const { reports } = a;
    const before = reports.length;
    await Bun.sleep(20);
    expect(reports.length).toBe(before);
  });
});
