/** HTTP errors as JSON (RFC 9457), of the same shape as the coordinator's: a code for programs, a way out for people. */
import { z } from "zod";

/** All codes, with their status, the status in words, and when they come. */
export const PROBLEMS = {
  "bad-request": { status: 400, title: "Bad Request", when: "the body does not fit" },
  elsewhere: { status: 403, title: "Forbidden", when: "asked from another machine, a browser or a proxy" },
  "not-found": { status: 404, title: "Not Found", when: "no such path" },
  "method-not-allowed": {
    status: 405,
    title: "Method Not Allowed",
    when: "the path is for another method, which `Allow` names",
  },
  "too-large": { status: 413, title: "Content Too Large", when: "the body has more than 4096 bytes" },
  internal: { status: 500, title: "Internal Server Error", when: "the relay's log says why" },
} as const;
export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_TYPE = "application/problem+json";

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
  const { status, title } = PROBLEMS[code];
  const body: z.output<typeof problemView> = { title, status, code, message, remedy };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": PROBLEM_TYPE, ...headers },
  });
}
