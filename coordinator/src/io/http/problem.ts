/** The coordinator's HTTP errors. */
import { PROBLEM_TYPE, type ProblemKind, problemBodies } from "@burrow/protocol";

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
} as const satisfies Readonly<Record<string, ProblemKind>>;
export type ProblemCode = keyof typeof PROBLEMS;

const bodies = problemBodies<ProblemCode>(PROBLEMS);
export const problemView = bodies.view;

export function problem(
  code: ProblemCode,
  message: string,
  remedy: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = bodies.body(code, message, remedy);
  const { status } = body;
  return Response.json(body, { status, headers: { "content-type": PROBLEM_TYPE, ...headers } });
}

export function methodNotAllowed(allowed: readonly string[]): Response {
  const allow = allowed.join(", ");
  return problem("method-not-allowed", "This path is for other methods.", `Use one of: ${allow}`, { allow });
}
