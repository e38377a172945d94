/** Output files of every kind there is: which are replaced whole, which are written to, and which are refused. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { openOutputFile } from "./output-file.ts";
import { needs } from "./testing/needs.ts";

const directory = await mkdtemp(join(tmpdir(), "burrow-output-"));
afterAll(() => rm(directory, { recursive: true, force: true }));
const fresh = () => mkdtemp(join(directory, "case-"));

async function writeTo(path: string, text: string): Promise<void> {
  const file = await openOutputFile(path);
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

describe("a regular file", () => {
  test("is its owner's alone, as long as its text, and has nothing beside it", async () => {
    const place = await fresh();
    const path = join(place, "token");
    await writeTo(path, "one\n");
    expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual(["one\n", 0o600]);
    chmodSync(path, 0o644);
    await writeTo(path, "two, and longer\n");
    expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual(["two, and longer\n", 0o600]);
    await writeTo(path, "x".repeat(2_000));
    expect(readFileSync(path, "utf8")).toHaveLength(2_000);
    expect(readdirSync(place)).toEqual(["token"]);
  });

  test("that is not written after all stays as it was, or absent", async () => {
    const place = await fresh();
    writeFileSync(join(place, "old"), "old");
    for (const name of ["old", "new"]) await (await openOutputFile(join(place, name))).close();
    expect(readdirSync(place)).toEqual(["old"]);
    expect(readFileSync(join(place, "old"), "utf8")).toBe("old");
  });
});

test("symbolic links stay, and what they lead to is written, there or not yet", async () => {
  const place = await fresh();
  writeFileSync(join(place, "there"), "old");
  symlinkSync("there", join(place, "to-there"));
  symlinkSync("to-there", join(place, "twice"));
  symlinkSync(join(place, "absent"), join(place, "to-absent"));
  for (const name of ["to-there", "twice", "to-absent"]) {
    await writeTo(join(place, name), name);
    expect(lstatSync(join(place, name)).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(place, name), "utf8")).toBe(name);
  }
  expect(lstatSync(join(place, "absent")).isFile()).toBe(true);
  symlinkSync("circle", join(place, "circle"));
  expect(await refusal(openOutputFile(join(place, "circle")))).toContain("cannot write");
});

test("what cannot be written is refused before there is anything to write", async () => {
  const place = await fresh();
  expect(await refusal(openOutputFile(join(place, "none", "x")))).toContain("it does not exist");
  expect(await refusal(openOutputFile(place))).toContain("it is a directory");
  writeFileSync(join(place, "file"), "");
  expect(await refusal(openOutputFile(join(place, "file", "x")))).toContain("no directory is in the way");
  expect(readdirSync(place)).toEqual(["file"]);
});

test.skipIf(!needs("pipes to write to", { commands: ["mkfifo", "cat"] }))(
  "a pipe is written to, and stays one",
  async () => {
    const pipe = join(await fresh(), "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const reader = Bun.spawn(["cat", pipe], { stdout: "pipe" });
    await writeTo(pipe, "through\n");
    expect(await reader.stdout.text()).toBe("through\n");
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  },
);

test.skipIf(!needs("devices to write to", { root: true, commands: ["mknod"] }))(
  "a device is written to and stays one, and its refusal is told",
  async () => {
    const place = await fresh();
    // As /dev/null and /dev/full (the kernel's devices.txt).
    for (const [name, minor] of [
      ["null", "3"],
      ["full", "7"],
    ] as const) {
      expect(Bun.spawnSync(["mknod", join(place, name), "c", "1", minor]).exitCode).toBe(0);
    }
    await writeTo(join(place, "null"), "gone");
    expect(await refusal(writeTo(join(place, "full"), "too much"))).toContain("full: the disk is full");
    for (const name of ["null", "full"]) expect(lstatSync(join(place, name)).isCharacterDevice()).toBe(true);
    expect(readdirSync(place).sort()).toEqual(["full", "null"]);
  },
);

test.skipIf(!needs("a process's open files", { files: ["/proc/self/fd"] }))(
  "a file that a process has open, such as /dev/stdout, is added to and not replaced",
  async () => {
    const place = await fresh();
    const path = join(place, "out");
    const script = `
      import { openOutputFile } from ${JSON.stringify(join(import.meta.dir, "output-file.ts"))};
      const file = await openOutputFile(${JSON.stringify(join(place, "stdout"))});
      await file.write("token\\n");
      await file.close();
    `;
    symlinkSync("/proc/self/fd/1", join(place, "stdout"));
    writeFileSync(path, "before\n");
    const inode = statSync(path).ino;
    const child = Bun.spawn(["sh", "-c", 'exec "$0" -e "$1" >>"$2"', process.execPath, script, path]);
    expect(await child.exited).toBe(0);
    expect([readFileSync(path, "utf8"), statSync(path).ino]).toEqual(["before\ntoken\n", inode]);
  },
);
