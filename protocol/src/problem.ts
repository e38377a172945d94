/**
 * HTTP errors as JSON (RFC 9457), of one shape at every door: a stable code for programs, and words and a way out for
 * people. Never a stack. Which codes there are is each door's own.
 */
import { z } from "zod";

export const PROBLEM_TYPE = "application/problem+json";

/** What is wrong, and what to do about it. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export interface ProblemKind {
  readonly status: keyof typeof TITLES;
  /** For the API's description. */
  readonly when: string;
}

/** RFC 9110 §15 and RFC 6455's 426, in words. */
const TITLES = {
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
} as const;

/** The schema of a body with one of these codes, and how one is made. */
export function problemBodies<Code extends string>(kinds: Readonly<Record<Code, ProblemKind>>) {
  const codes = Object.keys(kinds) as [Code, ...Code[]];
  const view = z
    .object({
      title: z.string().meta({ description: "The status in words" }),
      status: z.number(),
      code: z.enum(codes),
      message: z.string().meta({ description: "What is wrong, for people" }),
      remedy: z.string().meta({ description: "What to do about it" }),
    })
    .meta({ id: "Problem", description: "An error (RFC 9457), with a code for programs" });
  const body = (code: Code, message: string, remedy: string) => {
    const { status } = kinds[code];
    return { title: TITLES[status], status, code, message, remedy };
  };
  return { view, body };
}
