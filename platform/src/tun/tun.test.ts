/** A real TUN device in a namespace of its own, with real ping. */
import { expect, test } from "bun:test";
import { UserError } from "@burrow/protocol";
import { inNamespace, withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { openTun } from "./open.ts";

const possible = needs("TUN devices", { root: true, commands: ["ip", "ping"], files: ["/dev/net/tun"] });

test.skipIf(!possible)(
  "a TUN device carries packets both ways, keeps their order, and leaves nothing behind",
  async () => {
    await withNamespaces(["tun"], ([tun]) => {
      const printed = inNamespace(tun, process.execPath, `${import.meta.dir}/tun.child.ts`);
      const result = JSON.parse(printed);
      expect(result).toMatchObject({ pings4: 50, pings6: 50, pingsFull: 5, mtu: "1420" });
      expect(result.flood.inOrder).toBe(true);
      expect(result.flood.received).toBeGreaterThan(result.flood.sent / 10);
      expect(result.stall.received).toBeGreaterThan(500);
      expect(result.stall.received).toBeLessThan(result.stall.sent);
      expect(result.pingsAfterStall).toBe(5);
      expect(result.counters.received).toBeGreaterThanOrEqual(result.flood.received + 105);
      expect(result.malformed).toBe(false);
      expect(result.counters.dropMalformed).toBe(2);
      expect(result.taken).toContain("in use");
      expect(result.notTun).toContain("no TUN device");
      expect(result.badName).toContain("15 letters");
      expect(result).toMatchObject({ afterClose: false, exists: false, gone: true });
    });
  },
  30_000,
);

test.skipIf(!possible || Bun.which("setpriv") === null)(
  "without the right, the error says which",
  async () => {
    const script = `
    import { openTun } from ${JSON.stringify(`${import.meta.dir}/open.ts`)};
    openTun({ name: "burrow9", mtu: 1420, addresses: [], onPackets() {} }).catch((e) => console.log(e.name, e.remedy));
  `;
    const setpriv = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    await withNamespaces(["bare"], ([bare]) => {
      const printed = inNamespace(bare, ...setpriv, process.execPath, "-e", script);
      expect(printed).toStartWith("UserError run as root or give CAP_NET_ADMIN");
    });
  },
);

test.skipIf(process.platform === "linux")("elsewhere the error names the other devices", async () => {
  const refused = openTun({ name: "burrow0", mtu: 1420, addresses: [], onPackets: () => {} });
  await expect(refused).rejects.toThrow(UserError);
});
