/**
 * What the agent changes on a WireGuard interface that is not its own, and the way back: before each change, what was
 * there is written down in the state directory; when the agent stops, or starts again after it was killed, all of it
 * is put back. Peers, addresses and routes that the agent did not touch stay as they are.
 */
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  type InterfaceState,
  readInterface,
  readPrivateFile,
  removeInterfaceAddresses,
  setInterfaceAddresses,
  setInterfaceMtu,
  setRouteMtu,
  type WireGuardInterface,
  type WireGuardPeerChange,
  writeFileAtomic,
} from "@burrow/platform";
import { OVERLAY_V4_PREFIX, overlayPrefix6, parseEndpoint, TUNNEL_MTU_BYTES } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { OverlayPlace } from "./devices.ts";

const log = getLogger(["burrow", "agent", "wireguard"]);
const FILE_NAME = "interface.json";

const addressShape = z.object({ address: z.string(), prefixLength: z.number().int() });
const notesShape = z.object({
  name: z.string(),
  /** The MTU there was; absent when it was left alone. */
  mtu: z.number().int().optional(),
  /** Addresses and routes that the agent added. */
  addresses: z.array(addressShape),
  routes: z.array(z.string()),
  /** Peers by key: as they were, or null for those that the agent added. */
  peers: z.record(
    z.string(),
    z.object({ endpoint: z.string().optional(), allowedIps: z.array(z.string()) }).nullable(),
  ),
});
type Notes = z.output<typeof notesShape>;

export class BorrowedInterface {
  readonly #device: WireGuardInterface;
  readonly #path: string;
  #notes: Notes;
  /** One change at a time, in the order in which they were asked for. */
  #work: Promise<void> = Promise.resolve();
  #isGivenBack = false;

  private constructor(device: WireGuardInterface, path: string) {
    this.#device = device;
    this.#path = path;
    this.#notes = { name: device.name, addresses: [], routes: [], peers: {} };
  }

  /** Puts back what an agent that was killed could not, and begins anew. */
  static async open(device: WireGuardInterface, stateDir: string): Promise<BorrowedInterface> {
    const borrowed = new BorrowedInterface(device, join(stateDir, FILE_NAME));
    const left = await borrowed.#readNotes();
    if (left !== undefined && left.name === device.name) {
      borrowed.#notes = left;
      await borrowed.#putBack();
    }
    return borrowed;
  }

  /** Gives it the agent's overlay addresses, the overlay's routes, and an MTU that fits every path. */
  address({ ipv4, ipv6, network }: OverlayPlace): Promise<void> {
    const wanted = {
      addresses: [
        { address: ipv4, prefixLength: 32 },
        { address: ipv6, prefixLength: 128 },
      ],
      routes: [OVERLAY_V4_PREFIX, overlayPrefix6(network)],
    };
    // In turn with the peers, who come at the same time: notes that overtook each other on their way to the file would
    // leave it without the earlier ones.
    return this.#next(async () => {
      const before = await readInterface(this.#device.name);
      const isNew = isMissingFrom(before);
      const addresses = wanted.addresses.filter(({ address }) => isNew(address));
      const routes = wanted.routes.filter((route) => !before.routes.includes(route));
      const tooLarge = before.mtu > TUNNEL_MTU_BYTES;
      await this.#note({ addresses, routes, ...(tooLarge ? { mtu: before.mtu } : {}) });
      if (tooLarge) await setInterfaceMtu(this.#device.name, TUNNEL_MTU_BYTES);
      await setInterfaceAddresses(this.#device.name, wanted);
    });
  }

  setPeer(key: string, change: WireGuardPeerChange): Promise<void> {
    return this.#next(async () => {
      if (!(key in this.#notes.peers)) {
        const { peers } = await this.#device.read();
        const known = peers.find(({ publicKey }) => publicKey === key);
        const before =
          known === undefined
            ? null
            : {
                allowedIps: [...known.allowedIps],
                ...(known.endpoint === undefined ? {} : { endpoint: known.endpoint as string }),
              };
        await this.#note({ peers: { ...this.#notes.peers, [key]: before } });
      }
      await this.#device.setPeer(key, change);
    });
  }

  /** A route to one address whose senders keep to this MTU; undefined takes it away. */
  setRouteMtu(address: string, source: string, mtu: number | undefined): Promise<void> {
    return this.#next(async () => {
      const routes = this.#notes.routes.filter((route) => route !== address);
      await this.#note({ routes: mtu === undefined ? routes : [...routes, address] });
      await setRouteMtu(this.#device.name, address, source, mtu);
    });
  }

  /** The peer left the mesh: it goes, or becomes again what it was before. */
  dropPeer(key: string): Promise<void> {
    return this.#next(async () => {
      const before = this.#notes.peers[key];
      if (before === undefined) return;
      await this.#putPeerBack(key, before);
      const { [key]: _, ...peers } = this.#notes.peers;
      await this.#note({ peers });
    });
  }

  /** Puts everything back. What fails is logged: the interface may be gone, which is no reason not to stop. */
  giveBack(): Promise<void> {
    return this.#next(async () => {
      this.#isGivenBack = true;
      await this.#putBack().catch((error: unknown) => {
        log.warn("the interface {name} could not be left as it was found: {error}", {
          name: this.#device.name,
          error: error instanceof Error ? error.message : String(error),
        });
      });
    });
  }

  /** The interface is gone, and with it all that the agent changed: one of the same name is another's. */
  lost(): void {
    this.#isGivenBack = true;
    this.#work = this.#work.then(() => unlink(this.#path)).catch(() => {});
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(() => (this.#isGivenBack ? undefined : work()));
    this.#work = done.catch(() => {});
    return done;
  }

  async #putBack(): Promise<void> {
    const { name, mtu, addresses, routes, peers } = this.#notes;
    for (const [key, before] of Object.entries(peers)) await this.#putPeerBack(key, before);
    await removeInterfaceAddresses(name, { addresses, routes });
    if (mtu !== undefined && (await readInterface(name)).mtu === TUNNEL_MTU_BYTES) {
      await setInterfaceMtu(name, mtu);
    }
    this.#notes = { name, addresses: [], routes: [], peers: {} };
    await unlink(this.#path).catch(() => {});
  }

  async #putPeerBack(key: string, before: Notes["peers"][string]): Promise<void> {
    if (before === null) return this.#device.removePeer(key);
    const endpoint = parseEndpoint(before.endpoint ?? "");
    await this.#device.setPeer(key, {
      allowedIps: before.allowedIps,
      ...(endpoint === undefined ? {} : { endpoint }),
    });
  }

  async #note(change: Partial<Notes>): Promise<void> {
    this.#notes = { ...this.#notes, ...change };
    await writeFileAtomic(this.#path, `${JSON.stringify(this.#notes)}\n`);
  }

  async #readNotes(): Promise<Notes | undefined> {
    const bytes = await readPrivateFile(this.#path);
    if (bytes === undefined) return undefined;
    try {
      return notesShape.parse(JSON.parse(new TextDecoder().decode(bytes)));
    } catch {
      log.warn("{path} is not readable: what an earlier agent changed on {name} stays as it is", {
        path: this.#path,
        name: this.#device.name,
      });
      return undefined;
    }
  }
}

function isMissingFrom(state: InterfaceState): (address: string) => boolean {
  const there = new Set(state.addresses.map(({ address }) => address));
  return (address) => !there.has(address);
}
