/** What a test file does where wireguard-go or the lab cannot be had: skip with the reason, except in CI. */
import { labUnavailable } from "../lab/netns.ts";

/** Whether to skip. Prints why; throws instead when CI=true, so that nothing passes unrun. */
export function skipWithoutInterop(file: string): boolean {
  const command = ["wireguard-go", "wg", "ping"].find((name) => Bun.which(name) === null);
  const reason = labUnavailable() ?? (command && `the command \`${command}\` is missing`);
  if (reason === undefined) return false;
  const { CI } = process.env;
  if (CI === "true") throw new Error(`${file}: ${reason}, and CI must not skip`);
  console.warn(`${file}: skipped, ${reason}`);
  return true;
}
