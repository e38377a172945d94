/** What a test file does where the lab cannot be had: skip with the reason, except in CI, where that is a failure. */
import { labUnavailable } from "./netns.ts";

/** Whether to skip the tests that need a lab. Prints why; throws instead when CI=true, so that nothing passes unrun. */
export function skipWithoutLab(file: string): boolean {
  const reason = labUnavailable();
  if (reason === undefined) return false;
  const { CI } = process.env;
  if (CI === "true") throw new Error(`${file}: ${reason}, and CI must not skip`);
  console.warn(`${file}: skipped, ${reason}`);
  return true;
}
