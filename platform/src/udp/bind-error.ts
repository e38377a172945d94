/** Why a UDP port could not be opened, told to the person who asked for it. */
import { UserError } from "@burrow/protocol";
import { codeOf, messageOf } from "../errors.ts";

export function bindError(error: unknown, address: string, port: number): UserError {
  const where = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const [what, remedy] = explain(codeOf(error), error, address, port);
  return new UserError(`cannot open UDP ${where}: ${what}`, remedy, { cause: error });
}

function explain(code: string | undefined, error: unknown, address: string, port: number): [string, string] {
  switch (code) {
    case "EADDRINUSE":
      return [
        "the port is in use",
        `stop the other program (see \`ss -ulnp sport = :${port}\`) or choose another port`,
      ];
    case "EACCES":
    case "EPERM":
      return port > 0 && port < 1024
        ? [
            "ports below 1024 need a privilege",
            "give the process CAP_NET_BIND_SERVICE, run it as root, or choose a port from 1024 up",
          ]
        : ["the system forbids it", "check the firewall or sandbox that this process runs in"];
    case "EADDRNOTAVAIL":
      return [
        `this machine has no address ${address}`,
        "choose one of its own addresses (`ip addr` lists them) or 0.0.0.0 for all",
      ];
    case "EAFNOSUPPORT":
      return ["this machine does not have that address family", "use an address of the other family"];
    case "EMFILE":
    case "ENFILE":
      return ["too many open files", "raise the limit (`ulimit -n`, LimitNOFILE= in the unit)"];
    default:
      return [messageOf(error), "check the address and the port"];
  }
}
