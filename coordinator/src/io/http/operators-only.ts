/** Who may: operators bear the token, all others are told how to. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { bearsToken } from "../operator.ts";
import type { HttpEnv } from "./app.ts";
import { problem } from "./problem.ts";

export function operatorsOnly(token: string) {
  return createMiddleware<HttpEnv>(async (context, next) => {
    if (bearsToken(context.req.header("authorization"), token)) {
      await next();
      return;
    }
    return unauthorized(context);
  });
}

export function unauthorized(context: Context): Response {
  context.header("www-authenticate", "Bearer");
  return problem(context, 401, {
    code: "unauthorized",
    message: "This is for operators only.",
    remedy:
      "Send the operator token, kept in operator.json of the coordinator's state directory, as: Authorization: Bearer TOKEN",
  });
}
