/** Unmodified WireGuard peers as the user states them: parsed, and held against the addresses that agents have. */
import { BlockList, isIP } from "node:net";
import { keyFromText, type NetworkId, OVERLAY_V4_PREFIX, overlayPrefix6, UserError } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";

const log = getLogger(["burrow", "agent"]);

/** An unmodified WireGuard peer that reaches this agent through its relays. */
export interface WireGuardClient {
  /** Base64, as `wg pubkey` prints it. */
  readonly publicKey: string;
  /** Its address inside the tunnel. */
  readonly address: string;
}

/** Throws a UserError for what is no key, and for clients that would be taken for each other. */
export function parseClients(clients: readonly WireGuardClient[]) {
  for (const field of ["publicKey", "address"] as const) {
    const texts = clients.map((client) => client[field]);
    const twice = texts.find((text, i) => texts.indexOf(text) !== i);
    if (twice === undefined) continue;
    throw new UserError(
      `two --wg-client have the ${field === "address" ? "address" : "key"} ${twice}`,
      "give each client a key and an address of its own",
    );
  }
  return clients.map(({ publicKey, address }) => {
    const key = keyFromText(publicKey);
    if (key === undefined) {
      throw new UserError(
        `${publicKey} is not a WireGuard public key`,
        "take what `wg pubkey` prints, 44 characters",
      );
    }
    return {
      key,
      allowedIps: [address.includes("/") ? address : `${address}/${address.includes(":") ? 128 : 32}`],
    };
  });
}

/**
 * Throws a UserError for a client outside the overlay's ranges: nothing routes its packets to this agent's device, and
 * an address of another network would be taken from that one.
 */
export function checkClientAddresses(clients: readonly WireGuardClient[], network: NetworkId): void {
  const ranges = [OVERLAY_V4_PREFIX, overlayPrefix6(network)] as const;
  const overlay = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    overlay.addSubnet(address, Number(bits), address.includes(":") ? "ipv6" : "ipv4");
  }
  const isOutside = ({ address }: WireGuardClient) =>
    isIP(address) !== 0 && !overlay.check(address, address.includes(":") ? "ipv6" : "ipv4");
  const outside = clients.find(isOutside);
  if (outside === undefined) return;
  throw new UserError(
    `--wg-client ${outside.address} is no address of this network, so nothing would reach that client`,
    `give it one of ${ranges.join(" or ")} that no agent has, from the end of the former, say 100.127.255.1`,
  );
}

interface Addressed {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The coordinator gives out addresses without knowing of clients: says when one is both an agent's and a client's. */
export class AddressWatch {
  readonly #clients: readonly WireGuardClient[];
  readonly #told = new Set<string>();

  constructor(clients: readonly WireGuardClient[]) {
    this.#clients = clients;
  }

  look(agents: readonly Addressed[]): void {
    if (this.#clients.length === 0) return;
    for (const { name, ipv4, ipv6 } of agents) {
      const client = this.#clients.find(({ address }) => address === ipv4 || address === ipv6);
      if (client === undefined || this.#told.has(`${name} ${client.address}`)) continue;
      this.#told.add(`${name} ${client.address}`);
      log.warn(
        "--wg-client {address} is also the address of the agent {name}, so packets to one go to the other; give the client another, from the end of 100.64.0.0/10, say 100.127.255.1",
        { address: client.address, name },
      );
    }
  }
}
