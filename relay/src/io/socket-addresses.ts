/** A socket's address table as the forwarder's `Addresses`: what of it this relay reaches, and whose host is whose. */
import type { AddressHandle, AddressTable } from "@burrow/platform";
import { splitEndpoint } from "@burrow/protocol";
import { type Addresses, NO_ADDRESS } from "../core/addresses.ts";

/** `hasSocket`: whether the relay has a socket of that family at that door. */
export function addressesOf(
  table: AddressTable,
  hasSocket: (family: 4 | 6, door: number) => boolean,
): Addresses {
  // Secret, as in the table: who has a /64 to choose from must not find the bucket of a host of their choice.
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return {
    capacity: table.capacity,
    pin: (handle) => table.pin(handle as AddressHandle),
    unpin: (handle) => table.unpin(handle as AddressHandle),
    endpoint: (handle) => table.endpoint(handle as AddressHandle),
    door: (handle) => table.door(handle as AddressHandle),
    reach: (of, door = 0) => {
      const { address, port } = splitEndpoint(of);
      const handle = table.intern(address, port, door);
      return handle >= 0 && hasSocket(table.family(handle), door) ? handle : NO_ADDRESS;
    },
    hostHash: (handle) => hostHash(table, handle as AddressHandle, seed),
    isLoopback: (handle) => isLoopback(table, handle as AddressHandle),
  };
}

/** 127.0.0.1 and ::1. The rest of 127.0.0.0/8 is for clients of the WebSocket door, who are strangers. */
function isLoopback(table: AddressTable, handle: AddressHandle): boolean {
  if (table.family(handle) === 4) return table.word(handle, 3) >>> 0 === 0x7f00_0001;
  return (
    table.word(handle, 0) === 0 &&
    table.word(handle, 1) === 0 &&
    table.word(handle, 2) === 0 &&
    table.word(handle, 3) === 1
  );
}

/** IPv4: the whole address. IPv6: the /64, since whoever has one address of it has them all. */
function hostHash(table: AddressTable, handle: AddressHandle, seed: number): number {
  const isV4 = table.family(handle) === 4;
  const high = isV4 ? table.word(handle, 3) : table.word(handle, 0);
  const low = isV4 ? 0 : table.word(handle, 1);
  let hash = mix(mix(seed, high), low);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** A step of Murmur3 (Appleby, public domain). */
function mix(hash: number, word: number): number {
  const scattered = Math.imul(word, 0xcc9e2d51);
  const mixed = hash ^ Math.imul((scattered << 15) | (scattered >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
