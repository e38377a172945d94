/**
 * One endpoint of the API: who may ask, what is asked, what is answered. `Api` checks requests by the description
 * before the handler sees them, refuses other methods, and draws the OpenAPI document from the same descriptions.
 */
import {
  type AnswerDescription,
  type EndpointDescription,
  type JsonObject,
  openApiDocument,
  PROBLEM_TYPE,
} from "@burrow/protocol";
import type { Context, Hono } from "hono";
import type { z } from "zod";
import type { HttpEnv } from "./parts.ts";
import { methodNotAllowed, PROBLEMS, type ProblemCode, problem, problemView } from "./problem.ts";

export const BODY_BYTES_MAX = 64 * 1024;

export interface Endpoint<
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> extends Omit<EndpointDescription, "answers"> {
  readonly query?: Query;
  readonly body?: Body;
  /** When all went well. */
  readonly answer: AnswerDescription & { readonly status: number; readonly schema?: Answer };
  /** Of its own; those that come of what it asks for are added. */
  readonly problems?: readonly ProblemCode[];
}

export interface Asked<Query, Body> {
  readonly context: Context<HttpEnv>;
  readonly isOperator: boolean;
  readonly query: Query;
  readonly body: Body;
}

/** The described answer's body, or a refusal, or whatever is no JSON. */
export type Answered<Body> =
  | { readonly body: Body; readonly headers?: Readonly<Record<string, string>> }
  | Response;

/** Says whether a request is an operator's, or refuses it. */
export type Guard = (context: Context<HttpEnv>, access: Endpoint["access"]) => boolean | Response;

export class Api {
  readonly #app: Hono<HttpEnv>;
  readonly #guard: Guard;
  readonly #endpoints: Endpoint[] = [];
  readonly #elsewhere: Endpoint[] = [];

  constructor(app: Hono<HttpEnv>, guard: Guard) {
    this.#app = app;
    this.#guard = guard;
  }

  add<Query extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType>(
    endpoint: Endpoint<Query, Body, Answer>,
    handler: (
      asked: Asked<z.output<Query>, z.output<Body>>,
    ) => Answered<z.output<Answer>> | Promise<Answered<z.output<Answer>>>,
  ): void {
    this.#endpoints.push(endpoint);
    this.#app.on(endpoint.method.toUpperCase(), routeOf(endpoint), async (context) => {
      const isOperator = this.#guard(context, endpoint.access);
      if (isOperator instanceof Response) return isOperator;
      const query = parse(endpoint.query, context.req.query());
      if (query instanceof Response) return query;
      const body = endpoint.body === undefined ? undefined : await jsonBody(context, endpoint.body);
      if (body instanceof Response) return body;
      const asked = { context, isOperator, query: query?.value, body: body?.value };
      const answered = await handler(asked as Asked<z.output<Query>, z.output<Body>>);
      if (answered instanceof Response) return answered;
      const { status } = endpoint.answer;
      return Response.json(answered.body, { status, headers: { ...answered.headers } });
    });
  }

  /** Described here, answered elsewhere, with no other problems than its own. */
  describe(endpoint: Endpoint): void {
    this.#elsewhere.push(endpoint);
  }

  /** To be called when all are added: paths that are known by other methods say so. */
  refuseOtherMethods(): void {
    for (const [route, methods] of Map.groupBy(this.#endpoints, routeOf)) {
      const allowed = methods.map(({ method }) => method.toUpperCase());
      if (allowed.includes("GET")) allowed.push("HEAD");
      this.#app.all(route, () => methodNotAllowed(allowed));
    }
  }

  document(version: string): JsonObject {
    return openApiDocument({
      title: "Burrow coordinator",
      version,
      description: DESCRIPTION,
      securitySchemes: SECURITY_SCHEMES,
      endpoints: [
        ...this.#endpoints.map((endpoint) => described(endpoint, problemsOf(endpoint))),
        ...this.#elsewhere.map((endpoint) => described(endpoint, new Set(endpoint.problems))),
      ],
    });
  }
}

const DESCRIPTION =
  "Relays, agents and their paths. Names ending in Ms hold milliseconds, AtMs and SinceMs Unix time; ids have 16 hex digits; " +
  "what is not known is null. Fields are added, never renamed or removed.";

const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "The operator token, from operator.json of the coordinator's state directory.",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "burrow_session",
    description: "What POST /v1/session gives a browser.",
  },
} as const;

/** Hono writes parameters as `:id`. */
function routeOf({ path }: Endpoint): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

/** Its own, and those that come of what it asks for. */
function problemsOf({ method, access, params, query, body, problems = [] }: Endpoint): Set<ProblemCode> {
  const codes = new Set<ProblemCode>(["internal", "method-not-allowed", ...problems]);
  if (access !== "everybody") codes.add("unauthorized");
  if (access === "operators" && method !== "get") codes.add("cross-site").add("store-unavailable");
  if (params !== undefined) codes.add("not-found");
  if (query !== undefined) codes.add("bad-request");
  if (body !== undefined) codes.add("bad-request").add("too-large").add("unsupported-media-type");
  return codes;
}

function described(endpoint: Endpoint, codes: ReadonlySet<ProblemCode>): EndpointDescription {
  const answers: Record<number, AnswerDescription> = { [endpoint.answer.status]: endpoint.answer };
  for (const [status, all] of Map.groupBy(codes, (code) => PROBLEMS[code].status)) {
    const description = all.map((code) => `\`${code}\`: ${PROBLEMS[code].when}`).join("; ");
    answers[status] ??= { description, schema: problemView, contentType: PROBLEM_TYPE };
  }
  return { ...endpoint, answers };
}

type ParsedOr = { readonly value: unknown } | Response;

function parse(schema: z.ZodType | undefined, value: unknown): ParsedOr | undefined {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data };
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  return badRequest(`${where === "" ? "body" : where}: ${issue?.message ?? "does not fit"}`);
}

/** No body at all is an empty object. */
async function jsonBody(context: Context, schema: z.ZodType): Promise<ParsedOr | undefined> {
  const text = await context.req.text();
  const isEmpty = text.trim() === "";
  // Forms of other sites can send anything but this without being asked first.
  if (!isEmpty && !/^application\/json\s*(;|$)/i.test(context.req.header("content-type") ?? "")) {
    return problem(
      "unsupported-media-type",
      "The body is not sent as JSON.",
      "Send it with the header Content-Type: application/json",
    );
  }
  try {
    return parse(schema, isEmpty ? {} : JSON.parse(text));
  } catch {
    return badRequest("The body is not JSON.");
  }
}

export function badRequest(message: string): Response {
  return problem("bad-request", message, "Correct the request and send it again.");
}

export function noSuch(what: "agent" | "relay" | "token"): Response {
  return problem(
    "not-found",
    `There is no ${what} of this id.`,
    `\`burrow ${what === "agent" ? "agents" : `${what} list`}\` lists them, and so does GET /v1/${what}s.`,
  );
}
