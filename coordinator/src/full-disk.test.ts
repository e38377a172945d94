/** A coordinator whose disk fills up, while it runs and when it starts: it says so, loses nothing, and goes on with room. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { needs } from "../../platform/src/testing/needs.ts";
import { openSqliteStore } from "./io/store/sqlite.ts";
import { TestCoordinator } from "./testing/coordinator.ts";
import { SMALL_DISK_NEEDS, SmallDisk } from "./testing/small-disk.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function smallDisk(kilobytes = 512): Promise<SmallDisk> {
  const disk = await SmallDisk.mount(kilobytes);
  ends.push(() => disk.end());
  return disk;
}

describe.skipIf(!needs("a full disk", SMALL_DISK_NEEDS))("a full disk", () => {
  test("is seen by a look at the store, a fresh one too, which is well again with room", async () => {
    const disk = await smallDisk();
    const store = openSqliteStore(join(disk.path, "coordinator.db"));
    ends.push(() => store.close());
    await store.check();
    disk.fill();
    await expect(store.check()).rejects.toThrow("full");
    disk.makeRoom();
    await store.check();
  });

  test("stops a first start, and the next one, in clear words, and nothing that was known is lost", async () => {
    const refused = async (disk: SmallDisk) => {
      const error = await TestCoordinator.start({ stateDir: disk.path }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(error).toBeInstanceOf(UserError);
      const { message, remedy } = error as UserError;
      expect(message).toContain("the disk is full");
      expect(remedy).toMatch(/^make room /i);
      expect(remedy).toContain(`\`df -h ${disk.path}`);
      disk.makeRoom();
    };
    // To the last byte, and with room for some of what a start writes, to fail in the midst of that.
    for (const spared of [16, 80, 104, 0]) {
      const tight = await smallDisk();
      tight.fill(spared);
      await refused(tight);
    }
    const disk = await smallDisk();
    const start = () => TestCoordinator.start({ stateDir: disk.path });
    const first = await start();
    const { id } = await first.operator.createToken({ for: "agent" });
    disk.fill();
    // What is still in the log cannot be folded into the file.
    await first.stop();
    disk.makeRoom();
    disk.fill();
    await refused(disk);
    const again = await start();
    expect(await again.operator.tokens()).toMatchObject([{ id }]);
    await again.stop();
    for (const coordinator of [first, again]) await coordinator.end();
  });

  test("makes the coordinator unready, at most a second after it was looked at", async () => {
    const disk = await smallDisk();
    const coordinator = await TestCoordinator.start({ stateDir: disk.path });
    ends.push(() => coordinator.end());
    const ready = async () => (await fetch(`${coordinator.url}/readyz`)).status;
    expect(await ready()).toBe(200);
    disk.fill();
    await Bun.sleep(1_050);
    expect(await ready()).toBe(503);
    await expect(coordinator.operator.createToken({ for: "agent" })).rejects.toThrow(
      "The store cannot be written to",
    );
    disk.makeRoom();
    await Bun.sleep(1_050);
    expect(await ready()).toBe(200);
  });
});

test("looks at the store leave its file as large as it was", async () => {
  const coordinator = await TestCoordinator.start();
  ends.push(() => coordinator.end());
  await coordinator.stop();
  const path = join(coordinator.stateDir, "coordinator.db");
  const size = Bun.file(path).size;
  const store = openSqliteStore(path);
  for (let n = 0; n < 20; n++) await store.check();
  await store.close();
  expect([Bun.file(path).size, existsSync(`${path}-wal`)]).toEqual([size, false]);
});
