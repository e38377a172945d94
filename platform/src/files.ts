/**
 * Files that hold state and keys: written whole or not at all, private to their owner, and one process to a folder.
 * What goes wrong on a disk is for a person to mend, so every failure is a UserError.
 */
import { randomUUID } from "node:crypto";
import {
  chmod,
  constants,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "@burrow/protocol";
import { codeOf, fileError } from "./errors.ts";
import { openLibc } from "./libc.ts";

export const PRIVATE_FILE_MODE = 0o600;
export const PRIVATE_DIRECTORY_MODE = 0o700;
const OTHERS = 0o077;

/**
 * Writes the file whole or leaves the old one: a temporary file beside it, flushed, renamed over it, the directory
 * flushed. `mode` holds from the file's first moment.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number = PRIVATE_FILE_MODE,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      // The process's umask may have taken bits from the mode asked for.
      await file.chmod(mode);
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw fileError(error, "write", path);
  }
}

/** Makes renames and removals in a directory last through a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The bytes of a file that only its owner may read, or undefined when there is none. */
export async function readPrivateFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw Object.assign(new Error("a directory"), { code: "EISDIR" });
    const { mode } = found;
    if ((mode & OTHERS) !== 0) {
      throw new UserError(
        `${path} holds a secret, but others than its owner may use it (mode ${(mode & 0o777).toString(8)})`,
        `\`chmod 600 ${path}\`; if others may have read it, remove it and enrol anew`,
      );
    }
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", path);
  }
}

/** Creates the directory (and its parents) for its owner alone, or sees to it that an existing one is so. */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
    const found = await stat(path);
    if (!found.isDirectory()) throw Object.assign(new Error("no directory"), { code: "ENOTDIR" });
    if ((found.mode & OTHERS) !== 0 && !(found.uid === process.geteuid?.() && (await madePrivate(path)))) {
      throw new UserError(
        `${path} holds secrets, but others than its owner may use it (mode ${(found.mode & 0o777).toString(8)})`,
        `\`chmod 700 ${path}\`, or choose another with --state DIR`,
      );
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw fileError(error, "use the directory", path);
  }
}

/** Whether the directory, empty, could be closed to others before anything was in it. */
async function madePrivate(path: string): Promise<boolean> {
  if ((await readdir(path)).length > 0) return false;
  await chmod(path, PRIVATE_DIRECTORY_MODE);
  // Whoever might write until then may have been faster.
  return (await readdir(path)).length === 0;
}

export interface DirectoryLock {
  release(): Promise<void>;
}

const LOCK_NAME = "lock";
/** sys/file.h, the same on Linux and macOS: exclusive, and do not wait. */
const LOCK_EX_NB = 2 | 4;
const LOCK_SYMBOLS = { flock: { args: ["i32", "i32"], returns: "i32" } } as const;
let library: ReturnType<typeof openLibc<typeof LOCK_SYMBOLS>> | undefined;

/** Keeps the open files reachable: a collected one would be closed, and its lock gone. */
const held = new Set<FileHandle>();

/**
 * Claims a state directory for this process, or says who has it. The claim is the kernel's (`flock` on the file
 * `lock`): it ends with its owner, however that dies, and holds across containers that share the directory. The
 * process id in the file is for people to read. The file stays: removing it would let two own the directory.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = join(directory, LOCK_NAME);
  library ??= openLibc(LOCK_SYMBOLS);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, PRIVATE_FILE_MODE).catch((error) => {
    throw fileError(error, "lock", path);
  });
  if (library.flock(file.fd, LOCK_EX_NB) !== 0) {
    const owner = (await file.readFile("utf8").catch(() => "")).trim();
    await file.close();
    throw new UserError(
      `${directory} is in use by ${owner === "" ? "another process" : `process ${owner}`}`,
      "stop that one first, or give this one a directory of its own with --state DIR",
    );
  }
  held.add(file);
  await file.truncate(0);
  // On a full disk the claim holds without it.
  await file.write(`${process.pid}\n`, 0).catch(() => {});
  return {
    async release() {
      if (held.delete(file)) await file.close();
    },
  };
}
