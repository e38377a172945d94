/**
 * The coordinator's memory as one file, taken while it runs, and put back while it does not. `VACUUM INTO` reads one
 * moment of the database, whatever is written meanwhile (https://www.sqlite.org/lang_vacuum.html#vacuuminto).
 */
import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { chown, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensurePrivateDirectory, followLinks, lockDirectory } from "@burrow/platform";
import { UserError } from "@burrow/protocol";
import { openWhole } from "./sqlite-file.ts";

export const DATABASE_FILE = "coordinator.db";
/** SQLite's own files beside a database: the log of what is not in it yet, and an index of that. */
const SIDE_FILES = ["", "-wal", "-shm"] as const;

export interface BackedUp {
  readonly file: string;
  readonly bytes: number;
  readonly agents: number;
  readonly relays: number;
}

/** `to` must be new: what is there may be the only good backup. Its owner alone may read it: it holds ticket keys. */
export async function backUp(stateDir: string, to: string): Promise<BackedUp> {
  const database = join(stateDir, DATABASE_FILE);
  if (!existsSync(database)) {
    throw new UserError(
      `no coordinator keeps its state in ${stateDir}`,
      "run this where the coordinator runs, with its --state DIR if it has one",
    );
  }
  if (existsSync(to)) {
    throw new UserError(
      `${to} is there already`,
      "give a name of its own to each backup, or move that one away",
    );
  }
  // A link to nothing yet stays, and leads to the backup then.
  const target = await followLinks(to).catch((cause: unknown) => {
    throw notCopied(database, to, cause);
  });
  return { ...(await copyWhole(database, target ?? to)), file: to };
}

export interface Restored extends BackedUp {
  /** The file in which what was there before is kept, if anything was. */
  readonly replaced?: string;
}

/** What was there before is kept beside it, under a name of its own. Refused while a coordinator runs on it. */
export async function restore(from: string, stateDir: string): Promise<Restored> {
  if (!existsSync(from))
    throw new UserError(`there is no ${from}`, "give a file that `burrow coordinator backup` wrote");
  await ensurePrivateDirectory(stateDir);
  const lock = await lockDirectory(stateDir);
  try {
    const database = join(stateDir, DATABASE_FILE);
    const fresh = join(stateDir, `.${randomUUID()}.db`);
    const copied = await copyWhole(from, fresh);
    const isReplaced = existsSync(database);
    const kept = freeName(`${database}.replaced`);
    for (const side of SIDE_FILES) {
      if (existsSync(database + side)) await rename(database + side, kept + side);
    }
    await rename(fresh, database);
    await sync(stateDir);
    // Root restores for the user who runs the coordinator.
    const { uid, gid } = statSync(stateDir);
    if (process.getuid?.() === 0)
      for (const name of [DATABASE_FILE, "lock"]) await chown(join(stateDir, name), uid, gid);
    return { ...copied, file: database, ...(isReplaced ? { replaced: kept } : {}) };
  } finally {
    await lock.release();
  }
}

/** `path`, or `path.2`, `path.3` …: the first of which neither a database nor its side files are there. */
function freeName(path: string): string {
  let name = path;
  for (let n = 2; SIDE_FILES.some((side) => existsSync(name + side)); n++) name = `${path}.${n}`;
  return name;
}

async function copyWhole(from: string, to: string): Promise<BackedUp> {
  const temporary = join(dirname(to), `.${randomUUID()}.tmp`);
  try {
    const db = openWhole(from);
    try {
      // Empty, and its owner's alone before a byte is in it.
      await (await open(temporary, "wx", 0o600)).close();
      db.query("VACUUM INTO ?").run(temporary);
    } finally {
      db.close();
    }
    await sync(temporary);
    const copy = openWhole(temporary);
    const count = (table: "agents" | "relays") =>
      copy.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0;
    const counted = { agents: count("agents"), relays: count("relays") };
    copy.close();
    await rename(temporary, to);
    await sync(dirname(to));
    return { file: to, bytes: statSync(to).size, ...counted };
  } catch (cause) {
    for (const side of SIDE_FILES) await rm(temporary + side, { force: true });
    if (cause instanceof UserError) throw cause;
    throw notCopied(from, to, cause);
  }
}

function notCopied(from: string, to: string, cause: unknown): UserError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UserError(
    `${from} cannot be copied to ${to}: ${why}`,
    "check the paths, the rights and the space left",
    { cause },
  );
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
