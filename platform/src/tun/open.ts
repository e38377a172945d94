/** Opens a TUN device where this system has them. */
import { UserError } from "@burrow/protocol";
import type { TunDevice, TunOptions } from "./device.ts";
import { openLinuxTun } from "./linux.ts";

/** Rejects with a UserError where there are no TUN devices, the right is missing, or the name is taken. */
export async function openTun(options: TunOptions): Promise<TunDevice> {
  if (process.platform === "linux") return openLinuxTun(options);
  throw new UserError(
    `TUN devices are for Linux only as yet, and this is ${process.platform}`,
    "use `--device wireguard:IFACE` with an existing WireGuard interface, or `--device none`",
  );
}
