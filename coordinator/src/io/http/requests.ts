/** What the routes share: bodies by schema, and the refusals that several of them give. */
import type { Context } from "hono";
import type { z } from "zod";
import { problem } from "./problem.ts";

export const BODY_BYTES_MAX = 64 * 1024;

type Body<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** No body at all is an empty object. */
export async function jsonBody<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Promise<Body<z.output<Schema>>> {
  const text = await context.req.text();
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    return { ok: false, problem: "The body is not JSON." };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  return { ok: false, problem: `${where === "" ? "body" : where}: ${issue?.message ?? "does not fit"}` };
}

export function badRequest(context: Context, message: string): Response {
  return problem(context, 400, {
    code: "bad-request",
    message,
    remedy: "Correct the request and send it again.",
  });
}

export function noSuch(context: Context, what: "agent" | "relay"): Response {
  return problem(context, 404, {
    code: "not-found",
    message: `There is no ${what} of this id.`,
    remedy: `\`burrow ${what}s\` lists them, and so does GET /v1/${what}s.`,
  });
}

export function tooLarge(context: Context): Response {
  return problem(context, 413, {
    code: "too-large",
    message: `The body is larger than ${BODY_BYTES_MAX} bytes.`,
    remedy: "Send less.",
  });
}
