/**
 * The relay's memory on disk: records are appended as they come, in two files of which the older is forgotten when the
 * newer has become old enough to hold all that is still of use. Writes follow one another and are never waited for:
 * what a crash of this process loses is a few milliseconds, and of the machine what the system had not written yet.
 * A journal that cannot be written costs a warning, not the relay.
 */
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { PRIVATE_FILE_MODE, writeFileAtomic } from "@burrow/platform";
import type { Bytes } from "@burrow/protocol";
import { FLOW_LIFETIME_S } from "../core/limits.ts";
import { memorySince } from "../core/memory.ts";
import { log } from "./log.ts";

const FILE = "memory.log";
const OLDER_FILE = "memory.old.log";
/** A flow that has not been renewed for this long is none any more. */
const ERA_MS = FLOW_LIFETIME_S * 1000;
/** Or sooner, so that nobody fills the disk; some 100,000 handshakes. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;

export interface Journal {
  /** What was written in earlier lives and is still of use. */
  readonly recalled: Bytes;
  append(records: Bytes): void;
  close(): Promise<void>;
}

/** `eraBegins` is called when each binding should be written down once more. `now`: Unix milliseconds. */
export async function openJournal(
  directory: string,
  now: () => number,
  eraBegins: () => void,
): Promise<Journal> {
  const older = await readIfThere(join(directory, OLDER_FILE));
  const newer = await readIfThere(join(directory, FILE));
  const sinceS = Math.floor((now() - ERA_MS) / 1000);
  const recalled = new Uint8Array(Buffer.concat([memorySince(older, sinceS), memorySince(newer, sinceS)]));
  return new OpenJournal(directory, recalled, now, eraBegins);
}

async function readIfThere(path: string): Promise<Bytes> {
  try {
    return await readFile(path);
  } catch {
    return new Uint8Array(0);
  }
}

class OpenJournal implements Journal {
  readonly recalled: Bytes;
  readonly #directory: string;
  readonly #now: () => number;
  readonly #eraBegins: () => void;
  #file: FileHandle | undefined;
  #work: Promise<void> = Promise.resolve();
  /** Nothing is written before there is something to write: a start that fails leaves the files as they were. */
  #hasBegun = false;
  #waiting: Bytes[] = [];
  #writtenBytes = 0;
  #eraBeganAt: number;
  #failed = false;

  constructor(directory: string, recalled: Bytes, now: () => number, eraBegins: () => void) {
    this.#directory = directory;
    this.recalled = recalled;
    this.#now = now;
    this.#eraBegins = eraBegins;
    this.#eraBeganAt = now();
  }

  append(records: Bytes): void {
    this.#waiting.push(records);
    if (this.#waiting.length > 1) return;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#work = this.#guard(async () => {
        await writeFileAtomic(join(this.#directory, OLDER_FILE), this.recalled);
        await this.#begin();
      });
    }
    this.#work = this.#work.then(() => this.#guard(() => this.#write()));
    const isOld = this.#now() - this.#eraBeganAt > ERA_MS;
    if (!isOld && this.#writtenBytes < FILE_BYTES_MAX) return;
    this.#eraBeganAt = this.#now();
    this.#writtenBytes = 0;
    this.#work = this.#work.then(() => this.#guard(() => this.#rotate()));
    this.#eraBegins();
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting.splice(0));
    this.#writtenBytes += bytes.length;
    await this.#file?.write(bytes);
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await rename(join(this.#directory, FILE), join(this.#directory, OLDER_FILE));
    await this.#begin();
  }

  async #begin(): Promise<void> {
    this.#file = await open(join(this.#directory, FILE), "w", PRIVATE_FILE_MODE);
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#waiting = [];
      if (!this.#failed) {
        const why = error instanceof Error ? error.message : String(error);
        log.warn("flows will not outlive a crash: {why}", { why });
      }
      this.#failed = true;
    }
  }
}
