/** The dashboard of the one-file executable, which has no sources to bundle. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../infra/build/bundle.ts";
import { TARGETS } from "../../infra/build/targets.ts";
import { until } from "./chromium.ts";

const work = mkdtempSync(join(tmpdir(), "burrow-executable-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const target = TARGETS.find(({ arch }) => arch === process.arch);

test.skipIf(target === undefined)(
  "is served from the executable, with all its files",
  async () => {
    if (target === undefined) return;
    const outfile = join(work, "burrow");
    await bundle({ target, outfile, commit: "test" });
    const state = join(work, "state");
    const coordinator = Bun.spawn([outfile, "coordinator", "--listen", "127.0.0.1:0", "--state", state], {
      cwd: work,
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const access = join(state, "operator.json");
      await until("the coordinator serves", () => existsSync(access));
      const { url } = JSON.parse(readFileSync(access, "utf8")) as { url: string };
      const page = await (await fetch(url)).text();
      const paths = [...page.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
      expect(paths).toHaveLength(3);
      const sizes = await Promise.all(
        paths.map(async (path) => {
          const response = await fetch(url + path);
          expect(response.status).toBe(200);
          return (await response.text()).length;
        }),
      );
      expect(Math.max(...sizes)).toBeGreaterThan(100_000);
    } finally {
      coordinator.kill();
      await coordinator.exited;
    }
  },
  120_000,
);
