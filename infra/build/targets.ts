/** What is built, for which machines, and where it goes. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
export const DIST = join(ROOT, "dist");

export interface Target {
  /** As Node, sodium-native and our file names call it. */
  readonly arch: "x64" | "arm64";
  /** As Debian calls it. */
  readonly debian: "amd64" | "arm64";
  readonly bun: "bun-linux-x64" | "bun-linux-arm64";
}

export const TARGETS: readonly Target[] = [
  { arch: "x64", debian: "amd64", bun: "bun-linux-x64" },
  { arch: "arm64", debian: "arm64", bun: "bun-linux-arm64" },
];

export const executableName = (target: Target): string => `burrow-linux-${target.arch}`;
