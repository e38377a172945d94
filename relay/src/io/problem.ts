/** The relay's HTTP errors. */
import { PROBLEM_TYPE, type ProblemKind, problemBodies } from "@burrow/protocol";

/** All codes, with their status and when they come. */
export const PROBLEMS = {
  "bad-request": { status: 400, when: "the body does not fit" },
  elsewhere: { status: 403, when: "asked from another machine, a browser or a proxy" },
  "not-found": { status: 404, when: "no such path" },
  "method-not-allowed": { status: 405, when: "the path is for another method, which `Allow` names" },
  "too-large": { status: 413, when: "the body has more than 4096 bytes" },
  internal: { status: 500, when: "the relay's log says why" },
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
