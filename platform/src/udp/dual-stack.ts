/**
 * One socket out of two: IPv4, and IPv6 on the same port where the machine has it. A send goes by the family of
 * its address; both fill the same address table.
 */
import type { Endpoint } from "@burrow/protocol";
import { codeOf } from "../errors.ts";
import { type AddressHandle, AddressTable } from "./address-table.ts";
import { openUdp } from "./open.ts";
import {
  type DatagramBatch,
  type DatagramSocket,
  newUdpCounters,
  type UdpCounters,
  type UdpOptions,
} from "./socket.ts";

export interface DualStackOptions extends Omit<UdpOptions, "address" | "family"> {
  /** Default "0.0.0.0"; false for none. */
  readonly address4?: string | false;
  /** Default "::"; false for none. */
  readonly address6?: string | false;
}

/** The IPv6 port that matches a freely chosen IPv4 port may be taken; then another pair is tried. */
const PORT_TRIES = 16;

/** Codes that say "no such address family here" rather than "you may not". */
const FAMILY_ABSENT = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT"]);

function absent(error: unknown): boolean {
  return FAMILY_ABSENT.has(codeOf((error as { cause?: unknown }).cause) ?? "");
}

/**
 * Opens both families, or the one that the machine has. The only family's error, a taken port and a missing right
 * are UserErrors. A stated `address6` must exist; only the default may be absent. `open` makes each of the two.
 */
export async function openDualStack(
  options: DualStackOptions,
  open: (options: UdpOptions) => Promise<DatagramSocket> = openUdp,
): Promise<DatagramSocket> {
  for (let tries = 1; ; tries++) {
    try {
      return await openPair(options, open);
    } catch (error) {
      const taken = codeOf((error as { cause?: unknown }).cause) === "EADDRINUSE";
      if (!taken || options.port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

async function openPair(
  options: DualStackOptions,
  open: (options: UdpOptions) => Promise<DatagramSocket>,
): Promise<DatagramSocket> {
  const { address4 = "0.0.0.0", address6 = "::" } = options;
  const sockets: DatagramSocket[] = [];
  let pair: DatagramSocket | undefined;
  const shared = {
    ...options,
    addresses: options.addresses ?? new AddressTable(),
    onBatch(batch: DatagramBatch, from: DatagramSocket) {
      options.onBatch(batch, pair ?? from);
      pair?.flush();
    },
  };
  let failure: unknown;
  if (address4 !== false) {
    try {
      sockets.push(await open({ ...shared, address: address4, family: 4 }));
    } catch (error) {
      if (options.address4 !== undefined || !absent(error)) throw error;
      failure = error;
    }
  }
  if (address6 !== false) {
    const port = sockets[0]?.port ?? options.port;
    try {
      sockets.push(await open({ ...shared, address: address6, port, family: 6 }));
    } catch (error) {
      if (options.address6 !== undefined || sockets.length === 0 || !absent(error)) {
        for (const socket of sockets) socket.close();
        throw error;
      }
    }
  }
  if (sockets.length === 0) throw failure ?? new Error("openDualStack needs a family");
  pair = joinFamilies(sockets);
  return pair;
}

/** One socket out of an IPv4 one and an IPv6 one of the same port and address table; or the only one there is. */
export function joinFamilies(sockets: readonly DatagramSocket[]): DatagramSocket {
  const [first, second] = sockets;
  if (first === undefined) throw new Error("no socket to join");
  return second === undefined ? first : new DualStackSocket(first, second);
}

class DualStackSocket implements DatagramSocket {
  readonly addresses: AddressTable;
  readonly port: number;
  readonly local: readonly Endpoint[];
  readonly #v4: DatagramSocket;
  readonly #v6: DatagramSocket;

  constructor(v4: DatagramSocket, v6: DatagramSocket) {
    this.#v4 = v4;
    this.#v6 = v6;
    this.addresses = v4.addresses;
    this.port = v4.port;
    this.local = [...v4.local, ...v6.local];
  }

  /** The sum of both, made when asked. */
  get counters(): Readonly<UdpCounters> {
    const sum = newUdpCounters();
    for (const name of Object.keys(sum) as (keyof UdpCounters)[]) {
      sum[name] = this.#v4.counters[name] + this.#v6.counters[name];
    }
    return sum;
  }

  get recvBufferBytes(): number | undefined {
    return this.#v4.recvBufferBytes;
  }

  hasFamily(): boolean {
    return true;
  }

  send(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.#of(to).send(to, bytes);
  }

  forward(to: AddressHandle, batch: DatagramBatch, i: number): boolean {
    return this.#of(to).forward(to, batch, i);
  }

  borrow(to: AddressHandle, memory: Uint8Array, at: number, length: number, ecn?: number): boolean {
    return this.#of(to).borrow(to, memory, at, length, ecn);
  }

  get isBlocked(): boolean {
    return this.#v4.isBlocked || this.#v6.isBlocked;
  }

  sendWithTtl(to: AddressHandle, bytes: Uint8Array, ttl: number): boolean {
    return this.#of(to).sendWithTtl(to, bytes, ttl);
  }

  sendWhole(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.#of(to).sendWhole(to, bytes);
  }

  /** Both: what a datagram of one family caused may be queued for the other. */
  flush(): void {
    this.#v4.flush();
    this.#v6.flush();
  }

  close(): void {
    this.#v4.close();
    this.#v6.close();
  }

  #of(to: AddressHandle): DatagramSocket {
    return this.addresses.family(to) === 6 ? this.#v6 : this.#v4;
  }
}
