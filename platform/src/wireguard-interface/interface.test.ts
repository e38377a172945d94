/** The `wg` tool's door, against a real wireguard-go interface in a namespace. */
import { describe, expect, test } from "bun:test";
import { endpoint, UserError } from "@burrow/protocol";
import { withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { openWireGuardInterface, parseDump } from "./interface.ts";

const KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const OTHER = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";
const PSK = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

async function refusal(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

const possible = needs("WireGuard interfaces", {
  root: true,
  commands: ["ip", "wg", "wireguard-go"],
  files: ["/dev/net/tun"],
});

test.skipIf(!possible)(
  "reads an interface, sets, changes and removes peers",
  async () => {
    await withNamespaces(["wg"], async ([place]) => {
      const within = ["ip", "netns", "exec", place];
      const daemon = Bun.spawn([...within, "wireguard-go", "-f", "wgtest0"], {
        stdout: "ignore",
        stderr: "ignore",
      });
      try {
        const options = { command: [...within, "wg"] };
        let iface = await openWireGuardInterface("wgtest0", options).catch(() => undefined);
        for (let tries = 0; iface === undefined && tries < 200; tries++) {
          await Bun.sleep(10);
          iface = await openWireGuardInterface("wgtest0", options).catch(() => undefined);
        }
        if (iface === undefined) throw new Error("wireguard-go did not come up");
        expect(await iface.read()).toMatchObject({ peers: [], privateKey: undefined, publicKey: undefined });

        await iface.setPeer(KEY, {
          endpoint: endpoint("127.0.0.1", 40_001),
          allowedIps: ["100.64.0.7/32", "fd77::7/128"],
          presharedKey: PSK,
          persistentKeepaliveS: 25,
        });
        await iface.setPeer(OTHER, { endpoint: endpoint("::1", 40_002) });
        const peers = async () => new Map((await iface.read()).peers.map((peer) => [peer.publicKey, peer]));
        expect((await peers()).get(KEY)).toEqual({
          publicKey: KEY,
          presharedKey: PSK,
          endpoint: endpoint("127.0.0.1", 40_001),
          allowedIps: ["100.64.0.7/32", "fd77::7/128"],
          latestHandshakeMs: 0,
          receivedBytes: 0,
          sentBytes: expect.any(Number) as never,
          persistentKeepaliveS: 25,
        });
        expect((await peers()).get(OTHER)).toMatchObject({ endpoint: "[::1]:40002", allowedIps: [] });

        await iface.setPeer(KEY, { endpoint: endpoint("127.0.0.1", 40_009), persistentKeepaliveS: 0 });
        expect((await peers()).get(KEY)).toMatchObject({
          endpoint: "127.0.0.1:40009",
          presharedKey: PSK,
          allowedIps: ["100.64.0.7/32", "fd77::7/128"],
          persistentKeepaliveS: undefined,
        });
        await iface.setPeer(KEY, { presharedKey: "remove", allowedIps: [] });
        expect((await peers()).get(KEY)).toMatchObject({ presharedKey: undefined, allowedIps: [] });
        await iface.removePeer(KEY);
        expect([...(await peers()).keys()]).toEqual([OTHER]);

        expect((await refusal(iface.setPeer("--help", {}))).message).toContain("no WireGuard key");
        expect((await refusal(openWireGuardInterface("absent0", options))).message).toContain(
          "no WireGuard interface",
        );
        expect((await refusal(openWireGuardInterface("lo", options))).message).toContain(
          "no WireGuard interface",
        );
      } finally {
        daemon.kill();
        await daemon.exited;
      }
    });
  },
  20_000,
);

describe("without an interface", () => {
  test("a missing tool is named", async () => {
    const error = await refusal(openWireGuardInterface("wg0", { command: ["no-such-wg"] }));
    expect(error.message).toContain("missing");
    expect(error.remedy).toContain("install");
  });

  test("a dump is read, with and without what may be absent", () => {
    const state = parseDump(
      `${PSK}\t${KEY}\t51820\t0x20\n${OTHER}\t(none)\t192.0.2.7:51820\t10.0.0.0/8,::/0\t1700000000\t10\t20\toff\n` +
        `${KEY}\t${PSK}\t(none)\t(none)\t0\t0\t0\t25\n`,
    );
    expect(state).toMatchObject({ privateKey: PSK, publicKey: KEY, listenPort: 51820, fwmark: 0x20 });
    expect(state.peers[0]).toEqual({
      publicKey: OTHER,
      presharedKey: undefined,
      endpoint: endpoint("192.0.2.7", 51820),
      allowedIps: ["10.0.0.0/8", "::/0"],
      latestHandshakeMs: 1_700_000_000_000,
      receivedBytes: 10,
      sentBytes: 20,
      persistentKeepaliveS: undefined,
    });
    expect(state.peers[1]).toMatchObject({ endpoint: undefined, allowedIps: [], persistentKeepaliveS: 25 });
  });
});
