/** Which of the two hosts an agent gets: the thread where it can be had and pays, else the main thread. */
import { hasBatchedCalls } from "@burrow/platform";
import type { AgentHost, HostOptions } from "./host.ts";
import { openMainThreadHost } from "./main-thread-host.ts";
import { openThreadHost } from "./thread-host.ts";

/** The portable socket can be asked for, where the batched calls are suspected of something. */
const SOCKET_VARIABLE = "BURROW_SOCKET";

/** Rejects with a UserError when the port cannot be had. */
export function openHost(options: HostOptions): Promise<AgentHost> {
  const wantsPortable = process.env[SOCKET_VARIABLE] === "portable" || options.openSocket !== undefined;
  // Without a device there is nothing to be moved in bulk.
  if (wantsPortable || options.device === "none" || !hasBatchedCalls()) return openMainThreadHost(options);
  return openThreadHost(options);
}
