/** Proves that the lab's links and cuts do what they say, and that a lab leaves nothing behind. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Host } from "./host.ts";
import { Lab, reapDeadLabs, runCommand } from "./netns.ts";
import { skipWithoutLab } from "./require.ts";
import { Topology } from "./topology.ts";
import { UdpPeer } from "./udp.ts";

const skip = skipWithoutLab("topology.test.ts");

describe.skipIf(skip)("the topology", () => {
  let lab: Lab;
  let net: Topology;
  let server: Host;
  const echo = "203.0.113.1:3478";
  const echo6 = "[2001:db8::1]:3478";

  beforeAll(async () => {
    lab = Lab.open();
    net = await Topology.create(lab);
    server = await net.publicHost("server", "203.0.113.1", { v6: "2001:db8::1" });
    const peer = new UdpPeer(server);
    await peer.open({ port: 3478, echo: true, v6: true });
  });

  afterAll(async () => lab.close());

  test("a cut drops UDP both ways and nothing else, and mends", async () => {
    const host = await net.site("cut", "port-restricted", "192.0.2.1");
    const socket = await new UdpPeer(host).open();
    expect(await socket.reflexive(echo)).toBe(`192.0.2.1:${socket.port}`);

    const mends = [await net.cut(host, server), await net.cut(server, host)];
    expect(await socket.reflexive(echo)).toBeUndefined();
    expect(await pings(host, server.address)).toBe(true);
    await mends[0]?.();
    await mends[0]?.();
    // The same cut was made twice: one of them still holds.
    expect(await socket.reflexive(echo)).toBeUndefined();
    await mends[1]?.();
    expect(await socket.reflexive(echo)).toBe(`192.0.2.1:${socket.port}`);

    const mend = await net.cut(host, server, { what: "everything" });
    expect(await pings(host, server.address)).toBe(false);
    await mend();
    expect(await pings(host, server.address)).toBe(true);
  });

  test("an isolated host reaches nobody, and the others do not notice", async () => {
    const [alone, other] = [
      await net.publicHost("alone", "192.0.2.2"),
      await net.publicHost("other", "192.0.2.3"),
    ];
    const mend = await net.isolate(alone);
    expect(await pings(alone, server.address)).toBe(false);
    expect(await pings(other, alone.address)).toBe(false);
    expect(await pings(other, server.address)).toBe(true);
    await mend();
    expect(await pings(alone, server.address)).toBe(true);
  });

  test("IPv6 goes through a router untranslated and filtered, and can be cut", async () => {
    const host = await net.site("v6", "port-restricted", "192.0.2.4", { v6: "2001:db8:4:1::/64" });
    const socket = await new UdpPeer(host).open({ v6: true });
    expect(await socket.reflexive(echo6)).toBe(`[${host.address6}]:${socket.port}`);

    const stranger = await new UdpPeer(server).open({ v6: true });
    stranger.send("hello", `[${host.address6}]:${socket.port}`);
    expect(await socket.next()).toBeUndefined();

    const mend = await net.cut(host, server);
    expect(await socket.reflexive(echo6)).toBeUndefined();
    await mend();
    expect(await socket.reflexive(echo6)).toBeDefined();
  });

  test("hosts behind one router reach each other, and a router can change its kind", async () => {
    const router = await net.router("home", "192.0.2.5", "port-restricted");
    const [one, two] = [await router.host("one"), await router.host("two")];
    expect(await pings(one, two.address)).toBe(true);
    const socket = await new UdpPeer(one).open();
    expect(await socket.reflexive(echo)).toBeDefined();
    await router.become("udp-blocked");
    expect(await socket.reflexive(echo)).toBeUndefined();
    expect(await pings(one, server.address)).toBe(true);
  });

  test("continents are as far apart as their exchanges, and what is cut between them stays cut", async () => {
    const mended = await net.cut(
      { publicAddresses: ["192.0.2.8"] },
      { publicAddresses: ["192.0.2.9"] },
      { what: "everything" },
    );
    const [east, west] = [
      await net.exchange("east", { delayMs: 15 }),
      await net.exchange("west", { delayMs: 15 }),
    ];
    const here = await net.publicHost("here", "192.0.2.8", { at: east, v6: "2001:db8::8" });
    const neighbour = await net.publicHost("neighbour", "192.0.2.10", { at: east });
    const there = await net.site("there", "port-restricted", "192.0.2.9", {
      at: west,
      v6: "2001:db8:9:1::/64",
    });
    expect(await pings(there, here.address)).toBe(false);
    await mended();
    expect((await roundTrips(there, here.address)).minimumMs).toBeGreaterThanOrEqual(60);
    expect((await roundTrips(there, "2001:db8::8")).minimumMs).toBeGreaterThanOrEqual(60);
    expect((await roundTrips(here, neighbour.address)).minimumMs).toBeLessThan(30);
  });

  test("a link's delay counts once each way, through a NAT as well", async () => {
    const near = await net.publicHost("near", "192.0.2.6", { delayMs: 10 });
    const far = await net.site("far", "port-restricted", "192.0.2.7", { delayMs: 30 });
    const { minimumMs, averageMs } = await roundTrips(far, near.address);
    expect(minimumMs).toBeGreaterThanOrEqual(80);
    // Not a measurement of speed: a busy machine may be late, but not by half of what is emulated.
    expect(averageMs).toBeLessThan(120);
  });
});

describe.skipIf(skip)("a lab", () => {
  // A lab of another process, with something running in it, that ends as told.
  async function labOfItsOwn(
    ending: string,
  ): Promise<{ child: Bun.Subprocess<"ignore", "pipe", "ignore">; name: string }> {
    const script = `
      import { Lab } from "${new URL("netns.ts", import.meta.url).pathname}";
      const lab = Lab.open();
      const namespace = await lab.namespace("alone");
      namespace.spawn(["sleep", "1000"]);
      console.log(namespace.name);
      ${ending}`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    for await (const chunk of child.stdout) return { child, name: new TextDecoder().decode(chunk).trim() };
    throw new Error("the lab did not open");
  }

  const exists = (name: string) => existsSync(`/run/netns/${name}`);

  test("is gone after a signal", async () => {
    const { child, name } = await labOfItsOwn("await Bun.sleep(60_000);");
    expect(exists(name)).toBe(true);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
    expect(exists(name)).toBe(false);
  });

  test("is gone after an exception", async () => {
    const { child, name } = await labOfItsOwn("await Bun.sleep(100); throw new Error('as the test asks');");
    await child.exited;
    expect(exists(name)).toBe(false);
  });

  test("whose owner was killed is removed by the next, with what runs in it; one that lives is not", async () => {
    const killed = await labOfItsOwn("await Bun.sleep(60_000);");
    const alive = await labOfItsOwn("await Bun.sleep(60_000);");
    killed.child.kill("SIGKILL");
    await killed.child.exited;
    const { stdout } = await runCommand(["ip", "netns", "pids", killed.name]);
    expect(reapDeadLabs()).toContain(killed.name);
    expect(exists(killed.name)).toBe(false);
    for (const pid of stdout.trim().split("\n")) expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
    expect(exists(alive.name)).toBe(true);
    alive.child.kill("SIGINT");
    await alive.child.exited;
  });

  test("says which command failed, and how", async () => {
    await using lab = Lab.open();
    const namespace = await lab.namespace("errors");
    await expect(namespace.ip("link set dev nowhere up")).rejects.toThrow(
      /ip -n \S+ link set dev nowhere up\n.*exit code 1.*nowhere/,
    );
    await expect(namespace.nft("add rule inet no such")).rejects.toThrow(/nft -f -\n.*exit code 1/);
    await expect(namespace.run(["sleep", "5"], { timeoutMs: 100 })).rejects.toThrow(/sleep 5\n.*SIGKILL/);
  });
});

async function pings(from: Host, address: string): Promise<boolean> {
  const child = from.namespace.spawn(["ping", "-c", "1", "-W", "1", address]);
  return (await child.exited()) === 0;
}

async function roundTrips(from: Host, address: string): Promise<{ minimumMs: number; averageMs: number }> {
  const { stdout } = await from.namespace.run(["ping", "-c", "10", "-i", "0.05", address]);
  const [, minimum, average] = /rtt [^=]*= ([\d.]+)\/([\d.]+)/.exec(stdout) ?? [];
  return { minimumMs: Number(minimum), averageMs: Number(average) };
}
