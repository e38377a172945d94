/** Whole files, private files and single owners, on a real file system with real processes. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { ensurePrivateDirectory, lockDirectory, readPrivateFile, writeFileAtomic } from "./files.ts";
import { needs } from "./testing/needs.ts";

const directory = await mkdtemp(join(tmpdir(), "burrow-files-"));
afterAll(() => rm(directory, { recursive: true, force: true }));
const mode = async (path: string) => (await stat(path)).mode & 0o777;
const fresh = () => mkdtemp(join(directory, "case-"));

async function refusal(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

describe("whole files", () => {
  test("are written for their owner alone, replaced at once, and leave nothing beside them", async () => {
    const path = join(await fresh(), "state.json");
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, new Uint8Array([50]));
    expect(await readFile(path, "utf8")).toBe("2");
    expect(await mode(path)).toBe(0o600);
    await writeFileAtomic(path, "public", 0o644);
    expect(await mode(path)).toBe(0o644);
    expect(await readdir(join(path, ".."))).toEqual(["state.json"]);
  });

  test("readers see the old or the new one, never a part", async () => {
    const path = join(await fresh(), "state");
    const [old, young] = ["a".repeat(300_000), "b".repeat(300_000)];
    await writeFileAtomic(path, old);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await writeFileAtomic(path, i % 2 === 0 ? young : old);
      writing = false;
    })();
    while (writing) expect([old, young]).toContain(await readFile(path, "utf8"));
    await writer;
  });

  test("failures name the path and the cure, and leave nothing behind", async () => {
    const place = await fresh();
    expect((await refusal(writeFileAtomic(join(place, "none", "x"), "1"))).message).toContain(
      "does not exist",
    );
    await ensurePrivateDirectory(join(place, "folder"));
    await refusal(writeFileAtomic(join(place, "folder"), "1"));
    expect(await readdir(place)).toEqual(["folder"]);
  });
});

describe("private files", () => {
  test("are read when private, undefined when absent, refused when others may read them", async () => {
    const path = join(await fresh(), "key");
    expect(await readPrivateFile(path)).toBeUndefined();
    await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
    expect(await readPrivateFile(path)).toEqual(new Uint8Array([1, 2, 3]));
    await chmod(path, 0o640);
    expect((await refusal(readPrivateFile(path))).remedy).toContain(`chmod 600 ${path}`);
    await refusal(readPrivateFile(join(path, "..")));
  });

  test("a directory is made private, kept, and refused when others may use it or it is a file", async () => {
    const path = join(await fresh(), "deep", "state");
    await ensurePrivateDirectory(path);
    await ensurePrivateDirectory(path);
    expect(await mode(path)).toBe(0o700);
    await writeFile(join(path, "identity.json"), "");
    await chmod(path, 0o755);
    expect((await refusal(ensurePrivateDirectory(path))).remedy).toContain("chmod 700");
    expect(await mode(path)).toBe(0o755);
    const file = join(await fresh(), "file");
    await writeFile(file, "");
    expect((await refusal(ensurePrivateDirectory(file))).message).toContain("no directory");
  });
});

test("an empty directory of ours, as `mkdir` makes it, is made private; somebody else's is refused", async () => {
  const path = await fresh();
  await chmod(path, 0o755);
  await ensurePrivateDirectory(path);
  expect(await mode(path)).toBe(0o700);
  if (!needs("directories of others", { root: true })) return;
  await chmod(path, 0o755);
  await chown(path, 12_345, 12_345);
  await refusal(ensurePrivateDirectory(path));
  expect(await mode(path)).toBe(0o755);
});

describe("a directory's single owner", () => {
  test("a second claim names the first's process; after release it succeeds", async () => {
    const place = await fresh();
    const lock = await lockDirectory(place);
    expect((await refusal(lockDirectory(place))).message).toContain(`process ${process.pid}`);
    await lock.release();
    await lock.release();
    await (await lockDirectory(place)).release();
  });

  test("a killed owner's claim is free at once", async () => {
    const place = await fresh();
    const script = `
      import { lockDirectory } from ${JSON.stringify(join(import.meta.dir, "files.ts"))};
      await lockDirectory(${JSON.stringify(place)});
      console.log("locked");
      Bun.gc(true);
      setInterval(() => {}, 1000);
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await child.stdout.getReader().read();
    expect((await refusal(lockDirectory(place))).message).toContain(`process ${child.pid}`);
    child.kill("SIGKILL");
    await child.exited;
    await (await lockDirectory(place)).release();
  });

  test("a directory that is not there is told", async () => {
    expect((await refusal(lockDirectory(join(directory, "none")))).message).toContain("does not exist");
  });
});
