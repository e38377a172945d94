/**
 * Who may: operators bear the token, or the session that a browser was given for it; all others are told how to.
 * A session is taken for changes only from pages of this very origin: cookies come along from wherever they are sent.
 */
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import type { Operator } from "../operator.ts";
import { SESSION_COOKIE } from "../operator-sessions.ts";
import type { Guard } from "./endpoint.ts";
import type { HttpEnv } from "./parts.ts";
import { problem } from "./problem.ts";

export function makeGuard(operator: Operator, now: () => number): Guard {
  return (context, access) => {
    if (access === "everybody") return false;
    const authorization = context.req.header("authorization");
    if (authorization !== undefined) return operator.isBorneBy(authorization) || unauthorized();
    const hasSession = operator.sessions.check(getCookie(context, SESSION_COOKIE), now()) !== undefined;
    if (!hasSession) return access === "more-for-operators" ? false : unauthorized();
    return isSafe(context.req.method) || isFromHere(context) || crossSite();
  };
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Browsers say so themselves, all of them since 2023; what is no browser says nothing and has no cookies of others. */
export function isFromHere(context: Context<HttpEnv>): boolean {
  const site = context.req.header("sec-fetch-site");
  if (site !== undefined) return site === "same-origin";
  const origin = context.req.header("origin");
  return origin === undefined || hostOf(origin) === context.req.header("host")?.toLowerCase();
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

export function unauthorized(message = "This is for operators only."): Response {
  return problem(
    "unauthorized",
    message,
    "Send the operator token, kept in operator.json of the coordinator's state directory, as: Authorization: Bearer TOKEN",
    { "www-authenticate": "Bearer" },
  );
}

export function crossSite(): Response {
  return problem(
    "cross-site",
    "A page of another site sent this.",
    "Use the coordinator's own pages, or send the operator token as a bearer token.",
  );
}
