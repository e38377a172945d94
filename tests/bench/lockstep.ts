/**
 * `bun tests/bench/lockstep.ts`: processor time a packet of the relay's pass over a batch, against the reference's
 * (reference/lockstep.c). The same messages wait for each in turn, 64 a pass, and only its own passes are timed: from the
 * receiving call until everything has been sent. The fastest tenth counts, so that what else a machine does hardly
 * matters: bench:relay tells what a user gets, this what a change to the packet path did.
 *
 *   bun tests/bench/lockstep.ts [--rounds 300] [--flows 1,100,1000]
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BatchedSocket, nativePrimitives, openBatchedUdp, sealerOf } from "@burrow/platform";
import { BindStatus, type Bytes, type Endpoint, type NetworkId, relayIdOf } from "@burrow/protocol";
import { Forwarder } from "../../relay/src/core/forwarder.ts";
import { DEFAULT_LIMITS, type RateClass } from "../../relay/src/core/limits.ts";
import { QueueDelays } from "../../relay/src/core/queue-delays.ts";
import { newAddressTable } from "../../relay/src/io/data-plane.ts";
import { forwardBatch } from "../../relay/src/io/pass.ts";
import { addressesOf } from "../../relay/src/io/socket-addresses.ts";
import { WayOut } from "../../relay/src/io/way-out.ts";
import { Ways } from "../../relay/src/io/ways.ts";
import { TestAgent } from "../../relay/src/testing/harness.ts";
import { freePort, Workshop } from "./processes.ts";

const MESSAGES = 64;
const LOADS = [
  { bytes: 200, burst: 1, passes: 40 },
  { bytes: 1420, burst: 1, passes: 20 },
  { bytes: 1420, burst: 40, passes: 1 },
] as const;
/** The fastest tenth, after the first third, which only warms up. Bindings live 60 s: rounds must take less. */
const SHARE = 0.1;
const UNLIMITED: RateClass = {
  packets: { perSecond: 1e12, burst: 1e12 },
  bytes: { perSecond: 1e15, burst: 1e15 },
};

const primitives = nativePrimitives();
const now = () => performance.timeOrigin + performance.now();

/** The relay's pass as its packet thread makes it, on this thread. */
class Relay {
  readonly socket: BatchedSocket;
  readonly #forwarder: Forwarder;
  readonly #ticketKey = primitives.randomBytes(32);
  readonly #id;
  #answer: Bytes | undefined;

  constructor() {
    const privateKey = primitives.randomBytes(32);
    const publicKey = primitives.x25519Public(privateKey);
    this.#id = relayIdOf(publicKey);
    const addresses = newAddressTable(DEFAULT_LIMITS);
    const ways = new Ways(addresses);
    this.socket = openBatchedUdp({
      address: "127.0.0.1",
      port: 0,
      family: 4,
      addresses,
      recvBufferBytes: 8 << 20,
      sendBufferBytes: 8 << 20,
      onBatch: (batch) => forwardBatch(batch, this.#forwarder, ways, now()),
    });
    ways.add(0, 4, new WayOut(this.socket, 1, () => {}, new QueueDelays()));
    this.#forwarder = new Forwarder(
      {
        identity: { id: this.#id, publicKey, privateKey, boot: 1 },
        addresses: addressesOf(addresses, () => true),
        sink: {
          send: (bytes) => {
            this.#answer = bytes.slice();
            return true;
          },
          event() {},
        },
        sealer: sealerOf(primitives),
        agreement: (own, other) => primitives.x25519(own, other),
        trunkMac: (key) => primitives.aeadKey(key),
        random: primitives.randomBytes,
        limits: DEFAULT_LIMITS,
        rateClasses: [UNLIMITED],
      },
      now(),
    );
    this.#forwarder.setTicketKeys([this.#ticketKey]);
  }

  /** Flow `n` from 127.1.x.y to 127.2.x.y, by Binds and a handshake: where its packets come from, and their index. */
  addFlow(n: number, sourcePort: number, sinkPort: number): readonly [source: number, index: number] {
    const network = n.toString(16).padStart(16, "0") as NetworkId;
    const rest = `${n >> 8}.${n & 255}`;
    const source = { id: this.#id, ticketKey: this.#ticketKey };
    const options = { network, expiresAtMs: Date.now() + 3_600_000 };
    const a = new TestAgent(source, `127.1.${rest}:${sourcePort}`, options);
    const b = new TestAgent(source, `127.2.${rest}:${sinkPort}`, options);
    for (const agent of [a, b]) {
      agent.cookie = this.#bind(agent).cookie;
      if (this.#bind(agent).status !== BindStatus.bound) throw new Error("not bound");
    }
    this.#feed(a.initiationTo(b, n), a.at);
    const index = 0x1_0000 + n;
    this.#feed(b.responseTo(a, index, n), b.at);
    return [0x7f01_0000 + n, index];
  }

  #bind(agent: TestAgent) {
    this.#feed(agent.bindBytes(), agent.at);
    return agent.open({ bytes: this.#answer ?? new Uint8Array(), to: agent.at });
  }

  #feed(bytes: Bytes, from: Endpoint): void {
    this.#forwarder.forward(bytes, this.socket.addresses.internEndpoint(from), now());
  }

  /** Nanoseconds of each of so many passes. */
  pass(passes: number): number[] {
    return Array.from({ length: passes }, () => {
      const began = Bun.nanoseconds();
      this.socket.receive();
      return Bun.nanoseconds() - began;
    });
  }

  tick(): void {
    this.#forwarder.tick(now());
  }
}

function fastest(passesNs: readonly number[], packets: number): number {
  const counted = passesNs.slice(Math.floor(passesNs.length / 3)).sort((a, b) => a - b);
  return (counted[Math.floor(counted.length * SHARE)] ?? 0) / packets;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "300" },
    flows: { type: "string", default: "1,100,1000" },
  },
});
const shop = await Workshop.open();
try {
  const program = shop.compile("lockstep");
  const [sourcePort, sinkPort, ownPort] = [await freePort(), await freePort(), await freePort()];
  const cases = [];
  for (const count of values.flows.split(",").map(Number)) {
    const relay = new Relay();
    const records = new DataView(new ArrayBuffer(count * 8));
    for (let i = 0; i < count; i++) {
      const [source, index] = relay.addFlow(i + 1, sourcePort, sinkPort);
      records.setUint32(i * 8, source, false);
      records.setUint32(i * 8 + 4, index, true);
    }
    const path = join(shop.directory, `flows-${count}`);
    await writeFile(path, records);
    for (const { bytes, burst, passes } of LOADS) {
      const ports = [path, `${ownPort}`, `${sourcePort}`, `${sinkPort}`, `${bytes}`, `${burst}`];
      const numbers = [`${passes}`, `${relay.socket.port}`];
      const other = shop.spawn([program, ...ports, ...numbers], {}, "pipe");
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let round = 0; round < Number(values.rounds); round++) {
        other.tell("fill");
        await other.line();
        ours.push(...relay.pass(passes));
        other.tell("go on");
        const [throughRelay, throughReference, ...took] = (await other.line()).split(" ").map(Number);
        theirs.push(...took);
        if (throughRelay !== throughReference) {
          throw new Error(`${throughRelay} datagrams came through the relay, ${throughReference} otherwise`);
        }
        if (round % 100 === 0) relay.tick();
      }
      other.kill("SIGKILL");
      await other.exited;
      const packets = MESSAGES * burst;
      const [ns, referenceNs] = [fastest(ours, packets), fastest(theirs, packets)];
      const name = `${bytes} B${burst > 1 ? " in bursts" : ""}, ${count} flow${count > 1 ? "s" : ""}`;
      const result = {
        name,
        ns: Math.round(ns),
        reference_ns: Math.round(referenceNs),
        ratio: Number((referenceNs / ns).toFixed(3)),
      };
      console.log(
        `${name.padEnd(28)} ${result.ns} of ${result.reference_ns} ns a packet, ratio ${result.ratio}`,
      );
      cases.push(result);
    }
    relay.socket.close();
  }
  console.log(JSON.stringify({ bench: "lockstep", cases }));
} finally {
  await shop.close();
}
