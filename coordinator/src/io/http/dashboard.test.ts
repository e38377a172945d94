/** How the dashboard is served: cached by content, and under a policy that lets in nothing from elsewhere. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestCoordinator } from "../../testing/coordinator.ts";

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start();
});
afterAll(() => coordinator.end());

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(coordinator.url + path, { headers, redirect: "manual" });

async function assets(): Promise<string[]> {
  const page = await (await ask("/")).text();
  return [...page.matchAll(/(?:src|href)="([^"]+)"/g)].flatMap(([, path = ""]) =>
    path.startsWith("/assets/") ? [path] : [],
  );
}

test("the page may load the coordinator's own files and nothing else", async () => {
  const response = await ask("/");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/html");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
  const page = await response.text();
  expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|https?:\/\//);
  expect((await ask("/", { "if-none-match": response.headers.get("etag") ?? "" })).status).toBe(304);
});

test("its files are there, are what they say, and are kept for ever", async () => {
  const paths = await assets();
  expect(paths.map((path) => path.split(".").at(-1)).sort()).toEqual(["css", "js", "svg"]);
  for (const path of paths) {
    expect(path).toMatch(/^\/assets\/[\w-]+-[a-z0-9]{8}\.\w+$/);
    const response = await ask(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(response.headers.get("content-type")).toMatch(/javascript|css|svg/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).not.toContain("sourceMappingURL");
  }
});

test("compressed for those who take it: a quarter of a megabyte would be too much of a page", async () => {
  const [plain, zipped] = await Promise.all(
    ["identity", "gzip"].map(async (encoding) => {
      const sizes = (await assets()).map(async (path) => {
        const response = await fetch(coordinator.url + path, {
          headers: { "accept-encoding": encoding },
          decompress: false,
        });
        expect(response.headers.get("content-encoding")).toBe(encoding === "gzip" ? "gzip" : null);
        return (await response.arrayBuffer()).byteLength;
      });
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    }),
  );
  expect(zipped).toBeLessThan(120_000);
  expect(zipped).toBeLessThan((plain ?? 0) / 2);
});

test("the page and its files are read and nothing else", async () => {
  for (const path of ["/", ...(await assets())]) {
    const response = await fetch(coordinator.url + path, { method: "POST", body: "x" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await response.json()).toMatchObject({ code: "method-not-allowed" });
  }
});

test("what is no file of its is not found", async () => {
  for (const path of ["/assets/", "/assets/index.html", "/assets/..%2fpackage.json", "/assets/x.js"]) {
    const response = await ask(path);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  }
});
