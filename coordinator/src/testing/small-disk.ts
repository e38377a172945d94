/** A file system of a few hundred kilobytes, to be filled up by tests. Needs root, on Linux. */
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "./coordinator.ts";

export const SMALL_DISK_NEEDS = { root: true, commands: ["mount", "umount"] } as const;

export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(kilobytes: number): Promise<SmallDisk> {
    const path = await temporaryDirectory();
    run("mount", "-t", "tmpfs", "-o", `size=${kilobytes}k,mode=700`, "tmpfs", path);
    return new SmallDisk(path);
  }

  /** Leaves so many kilobytes. */
  fill(spared = 0): void {
    const { bavail, bsize } = statfsSync(this.path);
    writeFileSync(join(this.path, "filling"), new Uint8Array(bavail * bsize - spared * 1024));
  }

  makeRoom(): void {
    rmSync(join(this.path, "filling"), { force: true });
  }

  async end(): Promise<void> {
    run("umount", "--lazy", this.path);
    await rm(this.path, { recursive: true, force: true });
  }
}

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}
