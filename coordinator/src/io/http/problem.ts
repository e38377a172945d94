/** HTTP errors as JSON: a stable code for programs, and words and a way out for people. Never a stack. */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export function problem(context: Context, status: ContentfulStatusCode, body: Problem): Response {
  const { code, message, remedy } = body;
  return context.body(JSON.stringify({ code, message, remedy }), status, {
    "content-type": "application/problem+json",
  });
}

export function problemResponse(status: number, { code, message, remedy }: Problem): Response {
  return new Response(JSON.stringify({ code, message, remedy }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
}
