/** HTTP errors as JSON (RFC 9457): a stable code for programs, and words and a way out for people. Never a stack. */
import { z } from "zod";

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export const PROBLEM_TYPE = "application/problem+json";

/** All codes, with their status and when they come. */
export const PROBLEMS = {
  "bad-request": { status: 400, when: "the request does not fit its schema" },
  unauthorized: { status: 401, when: "no operator's token or session, or a wrong one" },
  "cross-site": { status: 403, when: "a browser sent an operator's session from a page of another site" },
  "not-found": { status: 404, when: "no such path, relay, agent or token" },
  "method-not-allowed": { status: 405, when: "the path is for other methods, which `Allow` names" },
  "too-large": { status: 413, when: "the body has more than 65536 bytes" },
  "unsupported-media-type": { status: 415, when: "the body is not sent as application/json" },
  "not-websocket": { status: 426, when: "the path speaks WebSocket only" },
  internal: { status: 500, when: "the coordinator's log says why" },
  "store-unavailable": { status: 503, when: "the store cannot be written to" },
  crowded: { status: 503, when: "too many connections of this kind are open" },
} as const;
export type ProblemCode = keyof typeof PROBLEMS;

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  426: "Upgrade Required",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export const problemView = z
  .object({
    title: z.string().meta({ description: "The status in words" }),
    status: z.number(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    message: z.string().meta({ description: "What is wrong, for people" }),
    remedy: z.string().meta({ description: "What to do about it" }),
  })
  .meta({ id: "Problem", description: "An error (RFC 9457), with a code for programs" });

export function problem(
  code: ProblemCode,
  message: string,
  remedy: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { status } = PROBLEMS[code];
  const body: z.output<typeof problemView> = {
    title: TITLES[status] ?? "Error",
    status,
    code,
    message,
    remedy,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": PROBLEM_TYPE, ...headers },
  });
}

export function methodNotAllowed(allowed: readonly string[]): Response {
  const allow = allowed.join(", ");
  return problem("method-not-allowed", "This path is for other methods.", `Use one of: ${allow}`, { allow });
}
