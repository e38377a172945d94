/**
 * What browsers are told of every answer: no other site may read, frame or embed it, and it is what it says it is.
 * Pages of our own state a policy of their own; there is no CORS, so that other sites' scripts get nothing.
 */
import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "./parts.ts";

const HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // Answers are of the moment, and some are for operators only.
  "cache-control": "no-store",
} as const;
/** A year: once by TLS, always by TLS. */
const STRICT_TRANSPORT = "max-age=31536000";

export const safeHeaders = createMiddleware<HttpEnv>(async (context, next) => {
  await next();
  const { headers } = context.res;
  for (const [name, value] of Object.entries(HEADERS)) if (!headers.has(name)) headers.set(name, value);
  if (context.env.isSecure) headers.set("strict-transport-security", STRICT_TRANSPORT);
});
