/** The script that mounts the coordinator's state: on a real block device, which it formats only when it is blank. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { has, skipped } from "./files.ts";
import { Terraform } from "./terraform.ts";

const WHAT = "mounting the coordinator's state";
const DEVICE = "/dev/disk/by-id/nvme-test_vol0123";
const SIZE = 16 * 2 ** 20;
const mayRun =
  (process.getuid?.() === 0 || skipped(WHAT, "not root")) &&
  ["unshare", "losetup", "blkid", "mkfs.ext4", "mountpoint"].every((command) => has(command, WHAT)) &&
  has("terraform", WHAT, false) &&
  (Bun.spawnSync(["losetup", "--find"]).exitCode === 0 || skipped(WHAT, "no loop devices here", false));

/** A machine's folders in a mount namespace of its own: what the script changes is gone afterwards, but the disk. */
const WORLD = `set -eu
mount --make-rprivate /
world="$(mktemp -d)"
mount -t tmpfs world "$world"
mkdir -p "$world/dev/disk/by-id" "$world/bin" "$world/lib"
for name in null zero urandom; do touch "$world/dev/$name"; mount --bind "/dev/$name" "$world/dev/$name"; done
if [ -n "$LOOP" ]; then
  touch "$world/dev/disk0"; mount --bind "$LOOP" "$world/dev/disk0"
  ln -s ../../disk0 "$world/$DEVICE"
fi
printf '#!/bin/sh\\necho "systemctl $*"\\n' >"$world/bin/systemctl"
chmod +x "$world/bin/systemctl"
: >"$world/fstab"
mount --bind "$world/fstab" /etc/fstab
mount --bind "$world/lib" /var/lib
PATH="$world/bin:$PATH"
mount --rbind "$world/dev" /dev
`;

describe.skipIf(!mayRun)("the state's disk", () => {
  const work = mkdtempSync(join(tmpdir(), "burrow-disk-"));
  const image = join(work, "disk");
  const script = join(work, "mount-state");

  beforeAll(async () => {
    const terraform = new Terraform(undefined);
    try {
      const release = { arm64: { url: "https://example.net/burrow.deb", sha256: "0".repeat(64) } };
      const userData = await terraform.userData("coordinator", { release, state_device: DEVICE });
      const { write_files: files } = Bun.YAML.parse(userData) as {
        write_files: { path: string; content: string }[];
      };
      writeFileSync(script, files.find(({ path }) => path.endsWith("/burrow-mount-state"))?.content ?? "");
    } finally {
      terraform.remove();
    }
  }, 60_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  /** Runs shell commands in a machine that has the disk, or has none. */
  function inWorld(commands: string, disk: boolean) {
    const loop = disk ? Bun.spawnSync(["losetup", "--find", "--show", image]).stdout.toString().trim() : "";
    try {
      const run = Bun.spawnSync(["unshare", "--mount", "sh", "-c", WORLD + commands], {
        env: { ...process.env, LOOP: loop, DEVICE, SCRIPT: script },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        timeout: 20_000,
      });
      return { exitCode: run.exitCode, stdout: run.stdout.toString(), stderr: run.stderr.toString() };
    } finally {
      if (loop !== "") Bun.spawnSync(["losetup", "--detach", loop]);
    }
  }

  const blank = () => writeFileSync(image, new Uint8Array(SIZE));

  test("a blank one is formatted and mounted, and the next machine finds what was written", () => {
    blank();
    const first = inWorld('sh "$SCRIPT"; mountpoint /var/lib/burrow; echo kept >/var/lib/burrow/state', true);
    expect(first).toEqual({
      exitCode: 0,
      stdout: "systemctl daemon-reload\n/var/lib/burrow is a mountpoint\n",
      stderr: "",
    });
    const next = inWorld('sh "$SCRIPT"; sh "$SCRIPT"; cat /var/lib/burrow/state; cat /etc/fstab', true);
    expect(next.stderr).toBe("");
    expect(next.stdout).toBe(
      `systemctl daemon-reload\nkept\n${DEVICE} /var/lib/burrow ext4 defaults,nofail 0 2\n`,
    );
  });

  test("one with data that nobody knows is left as it is", () => {
    const data = new Uint8Array(SIZE);
    data.set(new TextEncoder().encode("somebody's own format"), 4096);
    writeFileSync(image, data);
    const { exitCode, stderr } = inWorld('sh "$SCRIPT"', true);
    expect(stderr).toContain("is neither blank nor does it hold a file system");
    expect(exitCode).toBe(1);
    expect(readFileSync(image).equals(data)).toBe(true);
  });

  test("one with another file system is not formatted", () => {
    blank();
    expect(Bun.spawnSync(["mkswap", image]).exitCode).toBe(0);
    const before = readFileSync(image);
    expect(inWorld('sh "$SCRIPT"', true).exitCode).not.toBe(0);
    expect(readFileSync(image).equals(before)).toBe(true);
    expect(statSync(image).size).toBe(SIZE);
  });

  test("before it has come, fstab has it already", () => {
    const { exitCode, stdout } = inWorld('timeout 1 sh "$SCRIPT" || cat /etc/fstab', false);
    expect(stdout).toContain(`${DEVICE} /var/lib/burrow ext4 defaults,nofail 0 2\n`);
    expect(exitCode).toBe(0);
  });
});
