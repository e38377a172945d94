/** Writes tar archives (ustar, POSIX.1-1988): files owned by root, no times, folders made as needed. */

export interface TarEntry {
  /** Absolute: below the place where the archive is unpacked. At most 99 characters. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

const BLOCK = 512;
const NAME_MAX = 99;
const DIRECTORY_MODE = 0o755;

export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = foldersOf(entries).map((path) => header(path, DIRECTORY_MODE, 0, "5"));
  for (const { path, mode, content } of entries) {
    parts.push(header(`.${path}`, mode, content.length, "0"), content, padding(content.length));
  }
  // Two empty blocks end an archive.
  parts.push(new Uint8Array(2 * BLOCK));
  return new Uint8Array(Buffer.concat(parts));
}

/** `./`, `./usr/`, `./usr/bin/`, …: each before what lies in it. */
function foldersOf(entries: readonly TarEntry[]): string[] {
  const folders = new Set(["./"]);
  for (const { path } of entries) {
    const names = path.split("/").slice(1, -1);
    names.forEach((_, i) => {
      folders.add(`./${names.slice(0, i + 1).join("/")}/`);
    });
  }
  return [...folders].sort();
}

/** Fields and their places: name 0, mode 100, uid 108, gid 116, size 124, time 136, checksum 148, type 156, magic 257. */
function header(name: string, mode: number, size: number, type: "0" | "5"): Uint8Array {
  if (name.length > NAME_MAX) throw new RangeError(`${name}: longer than ${NAME_MAX} characters`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  block.write(name, 0, "latin1");
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  block.write(" ".repeat(8), 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000root", 257, "latin1");
  block.write("root", 297, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const padding = (length: number): Uint8Array => new Uint8Array((BLOCK - (length % BLOCK)) % BLOCK);
