/** The data plane on the thread of everything else: the portable socket, or one that a test or the demo brings. */

import { type AddressHandle, type DatagramBatch, type DatagramSocket, sealerOf } from "@burrow/platform";
import type { Endpoint, SymmetricKey } from "@burrow/protocol";
import { Forwarder, HANDLED } from "../core/forwarder.ts";
import { NO_QUEUE_DELAYS } from "../core/queue-delays.ts";
import { applyUpdate, type DataPlaneUpdate } from "../core/updates.ts";
import type { DataPlane, DataPlaneOptions, DataPlaneSnapshot, OpenRelaySocket } from "./data-plane.ts";
import { openFurtherPorts } from "./further-ports.ts";
import { addressesOf } from "./socket-addresses.ts";
import { sumOf } from "./socket-counters.ts";

export interface MainThreadOptions extends DataPlaneOptions {
  readonly openSocket: OpenRelaySocket;
}

/** On this thread. Rejects with a UserError when the port cannot be had. */
export async function openMainThreadPlane(options: MainThreadOptions): Promise<DataPlane> {
  const { identity, selfKey, now, primitives, random, limits } = options;
  let forwarder: Forwarder | undefined;
  const onBatch = (batch: DatagramBatch) => {
    if (forwarder !== undefined) forwardBatch(forwarder, batch, doors, now());
  };
  const { address } = options.listen;
  const doors = new Doors(await options.openSocket({ ...options.listen, onBatch }));
  const { addresses } = doors.main;
  const further = await openFurtherPorts(options, async (port, door) =>
    doors.add(door, await options.openSocket({ address, port, addresses, door, onBatch })),
  );
  forwarder = new Forwarder(
    {
      identity,
      addresses: addressesOf(addresses, (family, door) => doors.at(door)?.hasFamily(family) === true),
      sink: {
        send: (bytes, to) => doors.send(to as AddressHandle, bytes),
        event: (event) => options.onEvent(event),
        learned: (record, isNew) => {
          if (isNew) options.onLearned(record);
        },
      },
      sealer: sealerOf(primitives),
      agreement: (privateKey, publicKey) => primitives.x25519(privateKey, publicKey),
      trunkMac: (key) => primitives.aeadKey(key),
      random,
      limits,
    },
    now(),
  );
  forwarder.setTicketKeys([selfKey]);
  for (const update of options.initial) applyUpdate(forwarder, update, selfKey, now());
  const ports = further.map(({ port }) => port);
  const plane = new MainThreadDataPlane(forwarder, doors, ports, selfKey, options);
  plane.start();
  return plane;
}

/** The sockets by door; a datagram leaves by the door of its address. */
class Doors {
  readonly main: DatagramSocket;
  readonly #sockets: (DatagramSocket | undefined)[];

  constructor(main: DatagramSocket) {
    this.main = main;
    this.#sockets = [main];
  }

  get all(): readonly DatagramSocket[] {
    return this.#sockets.filter((socket) => socket !== undefined);
  }

  add(door: number, socket: DatagramSocket): void {
    this.#sockets[door] = socket;
  }

  at(door: number): DatagramSocket | undefined {
    return this.#sockets[door];
  }

  send(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.#sockets[this.main.addresses.door(to)]?.send(to, bytes) ?? false;
  }

  flush(): void {
    for (const socket of this.#sockets) socket?.flush();
  }
}

/** One pass over what arrived together. */
function forwardBatch(forwarder: Forwarder, batch: DatagramBatch, doors: Doors, now: number): void {
  for (let i = 0; i < batch.count; i++) {
    const bytes = batch.bytes(i);
    const to = forwarder.forward(bytes, batch.source(i), now);
    if (to !== HANDLED && !doors.send(to as AddressHandle, bytes))
      forwarder.countSendFailure(1, bytes.length);
  }
  doors.flush();
}

class MainThreadDataPlane implements DataPlane {
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly #forwarder: Forwarder;
  readonly furtherPorts: readonly number[];
  readonly #doors: Doors;
  readonly #selfKey: SymmetricKey;
  readonly #now: () => number;
  readonly #unixNow: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    forwarder: Forwarder,
    doors: Doors,
    furtherPorts: readonly number[],
    selfKey: SymmetricKey,
    { now, unixNow }: Pick<DataPlaneOptions, "now" | "unixNow">,
  ) {
    this.#unixNow = unixNow;
    this.#forwarder = forwarder;
    this.#doors = doors;
    this.furtherPorts = furtherPorts;
    this.#selfKey = selfKey;
    this.#now = now;
    this.local = doors.main.local;
    this.port = doors.main.port;
  }

  start(): void {
    const waitMs = Math.max(1, Math.min(1_000, this.#forwarder.nextDeadline() - this.#now()));
    this.#timer = setTimeout(() => {
      this.#forwarder.tick(this.#now(), this.#unixNow());
      for (const socket of this.#doors.all) socket.flush();
      this.start();
    }, waitMs);
  }

  update(update: DataPlaneUpdate): void {
    if (!this.#closed) applyUpdate(this.#forwarder, update, this.#selfKey, this.#now());
  }

  snapshot(): Promise<DataPlaneSnapshot> {
    const socket = sumOf(this.#doors.all);
    return Promise.resolve({ forwarder: this.#forwarder.snapshot(), delays: NO_QUEUE_DELAYS, socket });
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed = true;
    for (const socket of this.#doors.all) socket.close();
    return Promise.resolve();
  }
}
