/** Opening the database file: only one that is ours and whole, brought up to the schema of this version. */
import { Database, SQLiteError } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "@burrow/protocol";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

const SQLITE_MAGIC = "SQLite format 3\0";
/** Another process (a backup, a shell) may hold the lock for a moment. */
const BUSY_TIMEOUT_MS = 5_000;

/** Throws a UserError, and leaves the file as it was, when it is not a whole database of ours. */
export function openDatabase(path: string): Database {
  const isNew = path === ":memory:" || !existsSync(path);
  if (!isNew) refuseForeignFile(path);
  let db: Database | undefined;
  try {
    db = new Database(path, { create: true, readwrite: true, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    refuseUnfit(db, path);
    if (isNew && path !== ":memory:") chmodSync(path, 0o600);
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA foreign_keys = ON");
    migrate(db);
    return db;
  } catch (cause) {
    db?.close();
    throw refusalOf(path, cause);
  }
}

/** To be read only, though SQLite may tidy up its side files. Throws a UserError when it is not a database of ours. */
export function openWhole(path: string): Database {
  refuseForeignFile(path);
  let db: Database | undefined;
  try {
    db = new Database(path, { readwrite: true, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    refuseUnfit(db, path);
    if (pragma(db, "user_version") === 0) throw unusable(path, "it is empty");
    return db;
  } catch (cause) {
    db?.close();
    throw refusalOf(path, cause);
  }
}

/**
 * For a coordinator that has run before: an empty file in its database's place is a loss that nobody may overlook.
 * A new one that died in its first moment leaves the same, but has no operator.json yet, which it writes later.
 */
export function refuseEmptied(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.size !== 0) return;
  throw unusable(path, "it is empty, though this coordinator has run before");
}

/** Looked at before SQLite does, which would create its side files next to it. An empty file is a new database. */
function refuseForeignFile(path: string): void {
  const head = Buffer.alloc(SQLITE_MAGIC.length);
  let length: number;
  try {
    if (statSync(path).isDirectory()) throw new Error("it is a directory");
    const file = openSync(path, "r");
    length = readSync(file, head);
    closeSync(file);
  } catch (cause) {
    throw refusalOf(path, cause);
  }
  if (length !== 0 && head.toString("latin1", 0, length) !== SQLITE_MAGIC) {
    throw unusable(path, "it is not an SQLite database");
  }
}

function refuseUnfit(db: Database, path: string): void {
  const check = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get()?.quick_check;
  if (check !== "ok") throw unusable(path, `the database is damaged (${check})`);
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  const tables = db.query<{ n: number }, []>("SELECT count(*) AS n FROM sqlite_schema").get()?.n ?? 0;
  if (tables > 0 && application !== APPLICATION_ID) {
    throw unusable(path, "it is a database of another program");
  }
  if (version > MIGRATIONS.length) {
    throw new UserError(
      `The coordinator's database ${path} was written by a newer version of burrow (schema ${version}).`,
      "Run that version or a later one, or restore a backup made by this version.",
    );
  }
}

/** Each step is a transaction that also counts the version up: killed in between, it starts where it stopped. */
function migrate(db: Database): void {
  for (let version = pragma(db, "user_version"); version < MIGRATIONS.length; version++) {
    db.transaction(() => {
      db.run(MIGRATIONS[version] ?? "");
      db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      db.run(`PRAGMA user_version = ${version + 1}`);
    }).immediate();
  }
}

function pragma(db: Database, name: "application_id" | "user_version"): number {
  return db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
}

function unusable(path: string, problem: string, cause?: unknown): UserError {
  return new UserError(
    `The coordinator's database ${path} cannot be used: ${problem}.`,
    "Restore it from a backup, or move it away to start empty (agents and relays must then enrol again). The file was left as it is.",
    { cause },
  );
}

/** What stopped the file from being used, for whoever starts the coordinator. */
export function refusalOf(path: string, cause: unknown): UserError {
  if (cause instanceof UserError) return cause;
  if (isDiskFull(cause)) {
    return new UserError(
      `The coordinator's database ${path} cannot be used: the disk is full.`,
      `Make room (\`df -h ${dirname(path)}\`) and start again: nothing of it is lost.`,
      { cause },
    );
  }
  return unusable(path, cause instanceof Error ? cause.message : String(cause), cause);
}

/** Without room for its index of the log, SQLite speaks of a failure to give that its size (`SHMSIZE`). */
function isDiskFull(cause: unknown): boolean {
  return cause instanceof SQLiteError && /^SQLITE_(FULL|IOERR_SHMSIZE)$/.test(cause.code ?? "");
}
