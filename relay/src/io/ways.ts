/** The ways out of the relay's sockets, found by the address that a datagram is for: by its door and its family. */
import type { AddressHandle, AddressTable } from "@burrow/platform";
import type { WayOut } from "./way-out.ts";

export class Ways {
  readonly #addresses: AddressTable;
  readonly #all: WayOut[] = [];
  /** IPv4 at twice the door, IPv6 beside it. */
  readonly #byDoor: (WayOut | undefined)[] = [];
  #hasV6 = false;

  constructor(addresses: AddressTable) {
    this.#addresses = addresses;
  }

  get all(): readonly WayOut[] {
    return this.#all;
  }

  add(door: number, family: 4 | 6, way: WayOut): void {
    this.#all.push(way);
    this.#byDoor[indexOf(door, family)] = way;
    this.#hasV6 ||= family === 6;
  }

  has(door: number, family: 4 | 6): boolean {
    return this.#byDoor[indexOf(door, family)] !== undefined;
  }

  to(address: AddressHandle): WayOut | undefined {
    const family = this.#hasV6 ? this.#addresses.family(address) : 4;
    return this.#byDoor[indexOf(this.#addresses.door(address), family)];
  }

  /** All of them: a datagram may leave by another socket than it came by. */
  flush(): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]?.socket.flush();
  }
}

function indexOf(door: number, family: 4 | 6): number {
  return (door << 1) | (family === 6 ? 1 : 0);
}
