/** The dashboard: its page, and the files that it consists of. What it shows it asks for at the API, as all others do. */
import { createHash } from "node:crypto";
import { gzipSync } from "bun";
import { type Context, Hono } from "hono";
import { type DashboardFile, dashboardFiles } from "../dashboard-files.ts";
import type { HttpEnv } from "./parts.ts";
import { methodNotAllowed, problem } from "./problem.ts";

/** Own files and own API, nothing else: no inline script, no eval, no text as markup, no other origin, no frame. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** Names change with what is in them. */
const FOR_EVER = "public, max-age=31536000, immutable";
/** Asked for again each time, answered with 304 while it is the same. */
const CHECKED = "no-cache";
const PAGE = "index.html";

interface Served extends DashboardFile {
  readonly etag: string;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

export function dashboardApp(): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  // Bundled when it is first asked for: most processes that load this module never show it.
  let files: Promise<ReadonlyMap<string, Served>> | undefined;
  const find = async (name: string) => {
    files ??= loadFiles();
    return (await files).get(name);
  };
  app.get("/", async (context) => {
    const page = await find(PAGE);
    if (page === undefined) throw new Error("the dashboard has no page");
    return answer(context, page, { "cache-control": CHECKED, "content-security-policy": PAGE_POLICY });
  });
  app.get("/assets/:name", async (context) => {
    const file = context.req.param("name") === PAGE ? undefined : await find(context.req.param("name"));
    if (file !== undefined) return answer(context, file, { "cache-control": FOR_EVER });
    return problem("not-found", "There is no such file.", "Load the page again: GET /");
  });
  for (const path of ["/", "/assets/:name"]) app.all(path, () => methodNotAllowed(["GET", "HEAD"]));
  return app;
}

async function loadFiles(): Promise<ReadonlyMap<string, Served>> {
  const files = await dashboardFiles();
  return new Map(files.map((file) => [file.name, served(file)]));
}

function served(file: DashboardFile): Served {
  const etag = `"${createHash("sha256").update(file.text).digest("base64url").slice(0, 22)}"`;
  return { ...file, etag, gzipped: gzipSync(file.text, { level: 9 }) };
}

function answer(context: Context<HttpEnv>, file: Served, more: Record<string, string>): Response {
  const headers: Record<string, string> = {
    ...more,
    etag: file.etag,
    vary: "accept-encoding",
    "content-type": file.type,
  };
  if (context.req.header("if-none-match")?.includes(file.etag)) {
    return new Response(null, { status: 304, headers });
  }
  if (!/\bgzip\b/.test(context.req.header("accept-encoding") ?? "")) {
    return new Response(file.text, { headers });
  }
  return new Response(file.gzipped, { headers: { ...headers, "content-encoding": "gzip" } });
}
