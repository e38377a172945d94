/** Logging a browser in and out: the operator's token for a cookie that no script can read. */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { serialize } from "hono/utils/cookie";
import { z } from "zod";
import { SESSION_COOKIE, SESSION_LIFE_MS } from "../operator-sessions.ts";
import type { Api } from "./endpoint.ts";
import { crossSite, isFromHere, unauthorized } from "./guard.ts";
import type { HttpEnv, HttpParts } from "./parts.ts";
import { atMs } from "./schemas/fields.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

const sessionView = z
  .object({
    operator: z.boolean(),
    expiresAtMs: atMs.nullable().meta({ description: "When the session ends; null without one" }),
  })
  .meta({ id: "Session" });

const COOKIE_HEADERS = { "Set-Cookie": `${SESSION_COOKIE}: HttpOnly, SameSite=Strict; Secure behind TLS` };
const group = "Session";

const ENDPOINTS = {
  read: {
    method: "get",
    path: "/v1/session",
    name: "readSession",
    group,
    summary: "Whether the one who asks is an operator",
    access: "more-for-operators",
    answer: { status: 200, description: "Who asks", schema: sessionView },
  },
  begin: {
    method: "post",
    path: "/v1/session",
    name: "beginSession",
    group,
    summary: "Log a browser in",
    description:
      "Takes the operator token and answers with a cookie that stands for it for seven days. It is sent by " +
      "the coordinator's own pages only; changes that come from elsewhere are refused.",
    access: "everybody",
    body: z.strictObject({ token: z.string().min(1).max(256) }).meta({ id: "Login" }),
    answer: { status: 201, description: "Logged in", schema: sessionView, headers: COOKIE_HEADERS },
    problems: ["unauthorized", "cross-site"],
  },
  end: {
    method: "delete",
    path: "/v1/session",
    name: "endSession",
    group,
    summary: "Log a browser out",
    access: "everybody",
    answer: { status: 200, description: "Logged out", schema: sessionView, headers: COOKIE_HEADERS },
    problems: ["cross-site"],
  },
} as const;

export function addSession(api: Api, { operator, shell }: HttpParts): void {
  api.add(ENDPOINTS.read, ({ context, isOperator }) => {
    const expiresAtMs = operator.sessions.check(getCookie(context, SESSION_COOKIE), shell.unixNow) ?? null;
    return { body: { operator: isOperator, expiresAtMs } };
  });
  api.add(ENDPOINTS.begin, ({ context, body }) => {
    // Nor may another site log somebody in.
    if (!isFromHere(context)) return crossSite();
    if (!operator.isToken(body.token)) return unauthorized("This is not the operator token.");
    const { cookie, expiresAtMs } = operator.sessions.begin(shell.unixNow);
    log.info("an operator logged in from {address}", { address: context.env.address });
    const headers = { "set-cookie": cookieText(context, cookie, SESSION_LIFE_MS / 1000) };
    return { body: { operator: true, expiresAtMs }, headers };
  });
  api.add(ENDPOINTS.end, ({ context }) => {
    if (!isFromHere(context)) return crossSite();
    operator.sessions.end(getCookie(context, SESSION_COOKIE) ?? "", shell.unixNow);
    const headers = { "set-cookie": cookieText(context, "", 0) };
    return { body: { operator: false, expiresAtMs: null }, headers };
  });
}

function cookieText(context: Context<HttpEnv>, value: string, maxAge: number): string {
  const { isSecure } = context.env;
  return serialize(SESSION_COOKIE, value, {
    path: "/",
    httpOnly: true,
    sameSite: "Strict",
    secure: isSecure,
    maxAge,
  });
}
