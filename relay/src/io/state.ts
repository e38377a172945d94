/**
 * The state directory: who this relay is, the boot that its trunk packets name, and what the coordinator said last, so that a
 * restarted relay serves its agents while the coordinator is away. A file that cannot be understood is left as it
 * is and named to the operator.
 */
import { join } from "node:path";
import {
  type DirectoryLock,
  ensurePrivateDirectory,
  lockDirectory,
  type Primitives,
  readPrivateFile,
  writeFileAtomic,
} from "@burrow/platform";
import {
  type AgentId,
  base64Of,
  type FellowRelay,
  fellowRelay,
  fromBase64,
  parseMessage,
  type Route,
  relayIdOf,
  route,
  toBase64,
  UserError,
} from "@burrow/protocol";
import { z } from "zod";
import { REVOCATION_LIFE_MS } from "../core/limits.ts";
import type { LinkIdentity } from "../core/links.ts";
import type { DataPlaneUpdate } from "../core/updates.ts";

const IDENTITY_FILE = "identity.json";
const BOOT_FILE = "boot.json";
const COORDINATOR_FILE = "coordinator.json";
/** 24 bits of the trunk header (trunk.ts). */
const BOOT_MAX = 0xff_ffff;
/** Boots are minutes since then at least, for the 31 years that fit. */
const BOOT_EPOCH_MS = Date.UTC(2026, 0, 1);

const identityFile = z.object({ privateKey: base64Of(32) });
const bootFile = z.object({ boot: z.number().int().min(0).max(BOOT_MAX) });
const coordinatorFile = z.object({
  ticketKey: base64Of(32),
  relays: z.array(fellowRelay),
  routes: z.array(route),
  /** Earlier versions named no times. */
  revoked: z.array(z.union([z.string(), z.object({ agent: z.string(), atMs: z.number() })])),
});

export interface RelayState {
  readonly identity: LinkIdentity;
  /** What the coordinator said in an earlier life, as updates to be applied in order; empty at first. */
  readonly remembered: readonly DataPlaneUpdate[];
  /** Takes note of an update; written down by the next `save`. */
  note(update: DataPlaneUpdate): void;
  /** Writes what is not written yet; resolves when it, and every save before, is done. */
  save(): Promise<void>;
  close(): Promise<void>;
}

/** Claims the directory, and makes the identity if there is none. UserErrors only. `unixNow`: the wall clock. */
export async function openState(
  directory: string,
  primitives: Primitives,
  unixNow: () => number = Date.now,
): Promise<RelayState> {
  await ensurePrivateDirectory(directory);
  const lock = await lockDirectory(directory);
  try {
    const identity = await openIdentity(directory, primitives, unixNow());
    const path = join(directory, COORDINATOR_FILE);
    const memory = new CoordinatorMemory(unixNow);
    const known = await readState(path, coordinatorFile, `remove ${path}: the coordinator tells it anew`);
    if (known !== undefined) memory.restore(known);
    return new OpenState(path, lock, identity, memory);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openIdentity(
  directory: string,
  primitives: Primitives,
  unixMs: number,
): Promise<LinkIdentity> {
  const identityPath = join(directory, IDENTITY_FILE);
  const bootPath = join(directory, BOOT_FILE);
  const remedy =
    `move ${directory} away and start again with a registration token; ` +
    "the relay then is a new one to the coordinator";
  const known = await readState(identityPath, identityFile, remedy);
  const before = await readState(bootPath, bootFile, remedy);
  if (known !== undefined && before === undefined) {
    throw new UserError(`${bootPath} is missing beside the relay's identity`, remedy);
  }
  const boot = nextBoot(known === undefined ? 0 : (before?.boot ?? 0), unixMs);
  if (boot > BOOT_MAX)
    throw new UserError(`${bootPath}: the relay has started too often for one key`, remedy);
  // First the boot, then the identity: no crash leaves an identity whose boot could go back.
  await writeFileAtomic(bootPath, `${JSON.stringify({ boot })}\n`);
  const privateKey = (known && fromBase64(known.privateKey)) ?? primitives.randomBytes(32);
  if (known === undefined) {
    await writeFileAtomic(identityPath, `${JSON.stringify({ privateKey: toBase64(privateKey) })}\n`);
  }
  const publicKey = primitives.x25519Public(privateKey);
  return { id: relayIdOf(publicKey), publicKey, privateKey, boot };
}

/**
 * Above that of the last start, and of those that a directory put back from a copy knows nothing of: boots only run ahead
 * of the minutes where a relay starts more than once in each. Under the same key and boot, counters began anew.
 */
function nextBoot(last: number, unixMs: number): number {
  const minutes = Math.floor((unixMs - BOOT_EPOCH_MS) / 60_000);
  return Math.max(last + 1, minutes <= BOOT_MAX ? minutes : 0);
}

async function readState<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  remedy: string,
): Promise<z.output<Schema> | undefined> {
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) return undefined;
  const parsed = parseMessage(schema, new TextDecoder().decode(bytes));
  if (parsed.ok) return parsed.message;
  throw new UserError(`${path} is broken (${parsed.problem})`, remedy);
}

/** What the coordinator said, summed up. */
class CoordinatorMemory {
  #ticketKey: string | undefined;
  #relays: readonly FellowRelay[] = [];
  readonly #routes = new Map<AgentId, Route>();
  /** When each was heard of, the earliest first. */
  readonly #revoked = new Map<AgentId, number>();
  readonly #unixNow: () => number;

  constructor(unixNow: () => number) {
    this.#unixNow = unixNow;
  }

  restore(known: z.output<typeof coordinatorFile>): void {
    this.#ticketKey = known.ticketKey;
    this.#relays = known.relays;
    for (const entry of known.routes) this.#routes.set(entry.agent, entry);
    for (const entry of known.revoked) {
      const { agent, atMs } = typeof entry === "string" ? { agent: entry, atMs: this.#unixNow() } : entry;
      this.#revoked.set(agent as AgentId, atMs);
    }
    this.#forgetOld();
  }

  note(update: DataPlaneUpdate): void {
    switch (update.type) {
      case "ticket-key":
        this.#ticketKey = toBase64(update.key);
        return;
      case "relays":
        this.#relays = update.relays;
        return;
      case "routes":
        if (update.replace) this.#routes.clear();
        for (const agent of update.remove) this.#routes.delete(agent);
        for (const entry of update.upsert) {
          this.#routes.set(entry.agent, entry);
          this.#revoked.delete(entry.agent);
        }
        return;
      case "revoke":
        this.#revoked.delete(update.agent);
        this.#revoked.set(update.agent, this.#unixNow());
        this.#routes.delete(update.agent);
        this.#forgetOld();
        return;
      case "drain":
      case "recall":
      case "era":
        return;
    }
  }

  toUpdates(): readonly DataPlaneUpdate[] {
    const key = fromBase64(this.#ticketKey ?? "");
    if (key === undefined || key.length === 0) return [];
    return [
      { type: "ticket-key", key },
      { type: "relays", relays: this.#relays },
      { type: "routes", upsert: [...this.#routes.values()], remove: [], replace: true },
      ...[...this.#revoked.keys()].map((agent) => ({ type: "revoke", agent }) as const),
    ];
  }

  toText(): string | undefined {
    if (this.#ticketKey === undefined) return undefined;
    const file: z.input<typeof coordinatorFile> = {
      ticketKey: this.#ticketKey,
      relays: [...this.#relays],
      routes: [...this.#routes.values()],
      revoked: [...this.#revoked].map(([agent, atMs]) => ({ agent, atMs })),
    };
    return `${JSON.stringify(file)}\n`;
  }

  #forgetOld(): void {
    const sinceMs = this.#unixNow() - REVOCATION_LIFE_MS;
    for (const [agent, atMs] of this.#revoked) if (atMs < sinceMs) this.#revoked.delete(agent);
  }
}

class OpenState implements RelayState {
  readonly identity: LinkIdentity;
  readonly remembered: readonly DataPlaneUpdate[];
  readonly #path: string;
  readonly #lock: DirectoryLock;
  readonly #memory: CoordinatorMemory;
  #dirty = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, lock: DirectoryLock, identity: LinkIdentity, memory: CoordinatorMemory) {
    this.#path = path;
    this.#lock = lock;
    this.identity = identity;
    this.#memory = memory;
    this.remembered = memory.toUpdates();
  }

  note(update: DataPlaneUpdate): void {
    if (update.type === "drain") return;
    this.#memory.note(update);
    this.#dirty = true;
  }

  /** One after the other, so that the latest is what stays. */
  save(): Promise<void> {
    const saved = this.#saving.then(() => this.#saveNow());
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #saveNow(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    const text = this.#memory.toText();
    if (text === undefined) return;
    try {
      await writeFileAtomic(this.#path, text);
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#lock.release();
  }
}
