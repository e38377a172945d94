/** A machine on the simulated network: an address of each family that it has, its UDP sockets, perhaps a firewall. */
import { type Endpoint, endpoint, familyOf } from "@burrow/protocol";
import type { Realm } from "./network.ts";

export interface Interface {
  readonly realm: Realm;
  readonly address: string;
  /** A stateful firewall on the machine, or before it: lets in only answers. */
  readonly firewall: boolean;
}

const MAIN_SOCKET = 0;
const FIREWALL_MEMORY_MS = 60_000;
/** Where the further sockets' ports begin. */
const FURTHER_PORTS = 50_000;

export class Host {
  readonly interfaces: readonly Interface[];
  readonly blocksUdp: boolean;
  /** The main socket's, one for each family. */
  readonly endpoints: readonly Endpoint[];
  /** Until it is gone from the network, for good. */
  isPlugged = true;
  receive: (datagram: Uint8Array, from: Endpoint, socket?: number) => void = () => {};
  readonly #nic4: Interface | undefined;
  readonly #nic6: Interface | undefined;
  /** How each port looks on the way out. */
  readonly #endpoints4 = new Map<number, Endpoint>();
  readonly #endpoints6 = new Map<number, Endpoint>();
  /** Sockets by port, and ports by socket. */
  readonly #sockets = new Map<number, number>();
  readonly #ports = new Map<number, number>();
  /** When something last went from a port to an endpoint, for the firewalls. */
  readonly #sentTo = new Map<string, number>();
  #socketsMade = 0;

  /** At least one interface, at most one of each family. `blocksUdp`: the network lets no UDP out, and none in. */
  constructor(interfaces: readonly Interface[], port: number, blocksUdp = false) {
    this.interfaces = interfaces;
    this.blocksUdp = blocksUdp;
    this.#nic4 = interfaces.find(({ address }) => !address.includes(":"));
    this.#nic6 = interfaces.find(({ address }) => address.includes(":"));
    this.endpoints = interfaces.map((nic) => this.endpointOf(nic, port));
    this.#bind(MAIN_SOCKET, port);
    for (const { realm, address } of interfaces) realm.owners.set(address, this);
  }

  interfaceFor(family: 4 | 6): Interface | undefined {
    return family === 4 ? this.#nic4 : this.#nic6;
  }

  endpointOf(nic: Interface, port: number): Endpoint {
    const known = nic === this.#nic4 ? this.#endpoints4 : this.#endpoints6;
    let at = known.get(port);
    if (at === undefined) {
      at = endpoint(nic.address, port);
      known.set(port, at);
    }
    return at;
  }

  /** The port of a socket; undefined when it is closed. */
  portOf(socket: number | undefined): number | undefined {
    return this.#ports.get(socket ?? MAIN_SOCKET);
  }

  openSockets(count: number): number[] {
    return Array.from({ length: count }, () => {
      const socket = ++this.#socketsMade;
      this.#bind(socket, FURTHER_PORTS + (socket % 15_000));
      return socket;
    });
  }

  closeSocket(socket: number): void {
    const port = this.#ports.get(socket);
    if (port !== undefined) this.#sockets.delete(port);
    this.#ports.delete(socket);
  }

  /** Something leaves: its answer may come in. */
  leaves(nic: Interface, port: number, to: Endpoint, now: number): void {
    if (nic.firewall) this.#sentTo.set(`${port} ${to}`, now);
  }

  /** The socket that a datagram reaches; undefined when there is none, or a firewall keeps it out. */
  admits(port: number, from: Endpoint, now: number): number | undefined {
    if (this.blocksUdp) return undefined;
    if (this.interfaceFor(familyOf(from))?.firewall === true) {
      const sentMs = this.#sentTo.get(`${port} ${from}`);
      if (sentMs === undefined || now - sentMs > FIREWALL_MEMORY_MS) return undefined;
    }
    return this.#sockets.get(port);
  }

  /** Gone from the network, for good. */
  unplug(): void {
    this.isPlugged = false;
    for (const { realm, address } of this.interfaces) {
      if (realm.owners.get(address) === this) realm.owners.delete(address);
    }
    this.receive = () => {};
  }

  #bind(socket: number, port: number): void {
    this.#sockets.set(port, socket);
    this.#ports.set(socket, port);
  }
}
