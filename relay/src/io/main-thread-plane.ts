/** The data plane on the thread of everything else: the portable socket, or one that a test or the demo brings. */
import { type AddressHandle, type DatagramBatch, type DatagramSocket, sealerOf } from "@burrow/platform";
import { type Endpoint, nobleTrunkMac, type SymmetricKey } from "@burrow/protocol";
import { Forwarder, HANDLED } from "../core/forwarder.ts";
import { applyUpdate, type DataPlaneUpdate } from "../core/updates.ts";
import type { DataPlane, DataPlaneOptions, DataPlaneSnapshot, OpenRelaySocket } from "./data-plane.ts";
import { addressesOf } from "./socket-addresses.ts";

export interface MainThreadOptions extends DataPlaneOptions {
  readonly openSocket: OpenRelaySocket;
}

/** On this thread. Rejects with a UserError when the port cannot be had. */
export async function openMainThreadPlane(options: MainThreadOptions): Promise<DataPlane> {
  const { identity, selfKey, now, primitives, random, limits } = options;
  let forwarder: Forwarder | undefined;
  const socket = await options.openSocket({
    ...options.listen,
    onBatch(batch, from) {
      if (forwarder !== undefined) forwardBatch(forwarder, batch, from, now());
    },
  });
  forwarder = new Forwarder(
    {
      identity,
      addresses: addressesOf(socket.addresses, (family) => socket.hasFamily(family)),
      sink: {
        send: (bytes, to) => socket.send(to as AddressHandle, bytes),
        event: (event) => options.onEvent(event),
        learned: (record, isNew) => {
          if (isNew) options.onLearned(record);
        },
      },
      sealer: sealerOf(primitives),
      agreement: (privateKey, publicKey) => primitives.x25519(privateKey, publicKey),
      trunkMac: nobleTrunkMac,
      random,
      limits,
    },
    now(),
  );
  forwarder.setTicketKeys([selfKey]);
  for (const update of options.initial) applyUpdate(forwarder, update, selfKey, now());
  const plane = new MainThreadDataPlane(forwarder, socket, selfKey, options);
  plane.start();
  return plane;
}

/** One pass over what arrived together. What is queued leaves when the socket's callback returns. */
function forwardBatch(forwarder: Forwarder, batch: DatagramBatch, socket: DatagramSocket, now: number): void {
  for (let i = 0; i < batch.count; i++) {
    const bytes = batch.bytes(i);
    const to = forwarder.forward(bytes, batch.source(i), now);
    if (to !== HANDLED && !socket.send(to as AddressHandle, bytes)) forwarder.countSendFailure(bytes.length);
  }
}

class MainThreadDataPlane implements DataPlane {
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly #forwarder: Forwarder;
  readonly #socket: DatagramSocket;
  readonly #selfKey: SymmetricKey;
  readonly #now: () => number;
  readonly #unixNow: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    forwarder: Forwarder,
    socket: DatagramSocket,
    selfKey: SymmetricKey,
    { now, unixNow }: Pick<DataPlaneOptions, "now" | "unixNow">,
  ) {
    this.#unixNow = unixNow;
    this.#forwarder = forwarder;
    this.#socket = socket;
    this.#selfKey = selfKey;
    this.#now = now;
    this.local = socket.local;
    this.port = socket.port;
  }

  start(): void {
    const waitMs = Math.max(1, Math.min(1_000, this.#forwarder.nextDeadline() - this.#now()));
    this.#timer = setTimeout(() => {
      this.#forwarder.tick(this.#now(), this.#unixNow());
      this.start();
    }, waitMs);
  }

  update(update: DataPlaneUpdate): void {
    if (!this.#closed) applyUpdate(this.#forwarder, update, this.#selfKey, this.#now());
  }

  snapshot(): Promise<DataPlaneSnapshot> {
    return Promise.resolve({ forwarder: this.#forwarder.snapshot(), socket: { ...this.#socket.counters } });
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed = true;
    this.#socket.close();
    return Promise.resolve();
  }
}
