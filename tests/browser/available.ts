/** Whether pages can be looked at on this machine. */
import { existsSync } from "node:fs";

export const CHROMIUM = "/usr/bin/chromium";

/** Why not, if so. */
export function chromiumUnavailable(): string | undefined {
  return existsSync(CHROMIUM) ? undefined : `${CHROMIUM} is missing; on Debian: apt-get install chromium`;
}
