/**
 * One process to a WireGuard interface: its key is the identity, so two agents on one would be the same agent twice. The
 * claim is an abstract Unix socket (unix(7)) named after the interface: it belongs to the network namespace, as the
 * interface does, and ends with its owner, however that dies.
 */
import { UserError } from "@burrow/protocol";
import { codeOf } from "../errors.ts";

export interface InterfaceLock {
  release(): void;
}

/** Throws a UserError when another process has claimed the interface. Elsewhere than on Linux nothing is claimed. */
export function lockWireGuardInterface(name: string): InterfaceLock {
  if (process.platform !== "linux") return { release() {} };
  try {
    const socket = Bun.listen({ unix: `\0burrow-wireguard-${name}`, socket: { data() {} } });
    socket.unref();
    return { release: () => socket.stop(true) };
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE") throw error;
    throw new UserError(
      `another agent uses the WireGuard interface ${name}, whose key is its identity`,
      `stop the process that \`ss -xlp\` shows at @burrow-wireguard-${name} (any local user's may hold it), or give this one an interface of its own`,
      { cause: error },
    );
  }
}
