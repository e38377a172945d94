/** The machine's addresses, and word of changes: real ones in a namespace, invented ones elsewhere. */
import { describe, expect, test } from "bun:test";
import {
  isLinkLocal,
  isPrivateUse,
  type LocalAddress,
  localAddresses,
  watchAddresses,
} from "./interfaces.ts";
import { inNamespace, withNamespaces } from "./testing/namespaces.ts";
import { needs } from "./testing/needs.ts";

test("loopback is among the machine's addresses, with what is known of it", () => {
  expect(localAddresses()).toContainEqual({
    name: expect.stringMatching(/^lo/),
    address: "127.0.0.1",
    family: 4,
    prefixLength: 8,
    internal: true,
    linkLocal: false,
    privateUse: false,
    mac: "00:00:00:00:00:00",
  } as never);
});

test("ranges", () => {
  for (const address of ["169.254.7.1", "fe80::1", "febf::1"]) expect(isLinkLocal(address)).toBe(true);
  for (const address of ["169.25.4.1", "fec0::1", "2001:db8::1"]) expect(isLinkLocal(address)).toBe(false);
  for (const address of [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.9.9",
    "192.168.1.1",
    "100.64.0.1",
    "fd00::1",
    "fc12::",
  ]) {
    expect([address, isPrivateUse(address)]).toEqual([address, true]);
  }
  for (const address of ["11.0.0.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2001:db8::1", "fe80::1"]) {
    expect([address, isPrivateUse(address)]).toEqual([address, false]);
  }
});

describe("the watcher", () => {
  test("speaks when the list changed, and only then", async () => {
    const [base] = localAddresses();
    if (base === undefined) throw new Error("no address at all");
    let list: LocalAddress[] = [base];
    const heard: string[][] = [];
    const watcher = watchAddresses((now) => heard.push(now.map(({ address }) => address)), {
      intervalMs: 1,
      list: () => list,
    });
    await Bun.sleep(10);
    expect(heard).toEqual([]);
    list = [base, { ...base, address: "192.0.2.9" }];
    await Bun.sleep(10);
    list = [];
    await Bun.sleep(10);
    watcher.close();
    list = [base];
    await Bun.sleep(10);
    expect(heard).toEqual([[base.address, "192.0.2.9"], []]);
  });

  test.skipIf(!needs("changes of addresses", { root: true, commands: ["ip"] }))(
    "hears of a real address that comes",
    async () => {
      await withNamespaces(["addresses"], ([place]) => {
        const script = `
          import { watchAddresses } from ${JSON.stringify(`${import.meta.dir}/interfaces.ts`)};
          watchAddresses((now) => {
            console.log(JSON.stringify(now.map(({ address }) => address)));
            process.exit(0);
          }, { intervalMs: 5 });
          Bun.spawnSync(["ip", "addr", "add", "192.0.2.77/32", "dev", "lo"]);
          setTimeout(() => process.exit(1), 5000);
        `;
        expect(inNamespace(place, process.execPath, "-e", script)).toContain("192.0.2.77");
      });
    },
  );
});
