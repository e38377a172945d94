/**
 * The file that a person names for what a command makes. It is looked at and held before anything is made, since that
 * may be shown once only. A regular file is then replaced whole, for its owner alone; what is none (a device, a pipe,
 * what a process has open) is written to, and stays what it is.
 */
import { randomUUID } from "node:crypto";
import {
  constants,
  type FileHandle,
  lstat,
  open,
  readlink,
  realpath,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codeOf, fileError } from "./errors.ts";
import { PRIVATE_FILE_MODE, syncDirectory } from "./files.ts";

export interface OutputFile {
  /** The whole content. Throws a UserError, and then a regular file is as it was. */
  write(text: string): Promise<void>;
  /** To be called in the end, whatever came of it; what was not written leaves no trace. */
  close(): Promise<void>;
}

/** Throws a UserError where the file could not be written. Waits for the reader of a pipe. */
export async function openOutputFile(path: string): Promise<OutputFile> {
  try {
    const found = await stat(path).catch(undefinedIfAbsent);
    if (found?.isDirectory()) throw Object.assign(new Error("a directory"), { code: "EISDIR" });
    const target = await followLinks(path);
    if (target === undefined || (found !== undefined && !found.isFile())) return await openThrough(path);
    return await openWhole(target, path);
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** path_resolution(7): Linux follows no more. */
const LINKS_MAX = 40;

/** What the path leads to, there or not yet; undefined for a file that a process has open, such as /dev/stdout. */
export async function followLinks(path: string): Promise<string | undefined> {
  let target = path;
  for (let links = 0; links <= LINKS_MAX; links++) {
    const found = await lstat(target).catch(undefinedIfAbsent);
    if (!found?.isSymbolicLink()) return target;
    const directory = await realpath(dirname(target));
    if (directory.startsWith("/proc/")) return undefined;
    target = resolve(directory, await readlink(target));
  }
  throw Object.assign(new Error("its symbolic links go in circles"), { code: "ELOOP" });
}

function undefinedIfAbsent(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

async function openThrough(path: string): Promise<OutputFile> {
  // Nothing in a regular file that a process has open is cut off, and no terminal becomes this process's own.
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY;
  const file = await open(path, flags);
  return {
    async write(text) {
      try {
        await file.writeFile(text);
      } catch (error) {
        throw fileError(error, "write", path);
      }
    },
    close: () => file.close(),
  };
}

/** What the text will need, a token with its newline and more, taken from the disk before there is a text. */
const RESERVED_BYTES = 512;

/** `target` is written by way of a file beside it; `path`: what the person called it. */
async function openWhole(target: string, path: string): Promise<OutputFile> {
  const temporary = join(dirname(target), `.${randomUUID()}.tmp`);
  let file: FileHandle | undefined;
  const close = async () => {
    const held = file;
    file = undefined;
    if (held === undefined) return;
    await held.close();
    await unlink(temporary).catch(() => {});
  };
  try {
    file = await open(temporary, "wx", PRIVATE_FILE_MODE);
    // The process's umask may have taken bits from the mode asked for.
    await file.chmod(PRIVATE_FILE_MODE);
    await file.write(new Uint8Array(RESERVED_BYTES), 0, RESERVED_BYTES, 0);
    await file.sync();
  } catch (error) {
    await close();
    throw error;
  }
  const held = file;
  return {
    close,
    async write(text) {
      try {
        const bytes = new TextEncoder().encode(text);
        await held.write(bytes, 0, bytes.length, 0);
        await held.truncate(bytes.length);
        await held.sync();
        await rename(temporary, target);
        await syncDirectory(dirname(target));
      } catch (error) {
        throw fileError(error, "write", path);
      }
    },
  };
}
