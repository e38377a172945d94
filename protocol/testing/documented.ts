/**
 * A client that holds every answer against the OpenAPI document it was given: each status must be described there, and
 * each body fit its schema. Keeps a list of what was seen, so that a test can tell what was not.
 */

import { Ajv2020 } from "ajv/dist/2020.js";
import type { JsonObject, JsonValue } from "../src/openapi.ts";

export interface Described {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly security: readonly JsonObject[];
  readonly hasBody: boolean;
  readonly parameters: readonly string[];
  /** By status: the codes that problems of it have; none for other answers. */
  readonly answers: ReadonlyMap<number, readonly string[]>;
}

type Document = Readonly<Record<string, Record<string, Record<string, JsonValue>>>>;

export class DocumentedClient {
  readonly operations: readonly Described[];
  /** `operation status`, or `operation status code`. */
  readonly seen: Set<string>;
  readonly #url: string;
  readonly #document: JsonObject;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(url: string, document: JsonObject, seen = new Set<string>()) {
    this.seen = seen;
    this.#url = url;
    this.#document = document;
    this.operations = describedIn(document);
    this.#ajv.addSchema(closed(document), "document");
  }

  /** All that the document promises, in the words of `seen`. */
  get promised(): string[] {
    return this.operations.flatMap(({ operation, answers }) =>
      [...answers].flatMap(([status, codes]) =>
        codes.length === 0
          ? [`${operation} ${status}`]
          : codes.map((code) => `${operation} ${status} ${code}`),
      ),
    );
  }

  /** @param fill stands for each parameter of the path */
  async ask(operation: string, fill = "", init: RequestInit & { query?: string } = {}): Promise<Response> {
    const of = this.operations.find((one) => one.operation === operation);
    if (of === undefined) throw new Error(`the document knows no ${operation}`);
    const path = of.path.replaceAll(/\{\w+\}/g, fill) + (init.query ?? "");
    const method = init.method ?? of.method.toUpperCase();
    const response = await fetch(this.#url + path, { ...init, method });
    const type = (response.headers.get("content-type") ?? "").split(";")[0] ?? "";
    const isStream = type === "text/event-stream";
    this.#check(of, response.status, type, isStream ? "" : await response.clone().text());
    return response;
  }

  /** Throws unless it fits the document's schema of this name. */
  fits(schema: string, value: unknown): void {
    const validate = this.#ajv.getSchema(`document#/components/schemas/${schema}`);
    if (validate?.(value) !== true) throw new Error(`${schema}: ${this.#ajv.errorsText(validate?.errors)}`);
  }

  #check({ operation, path, method }: Described, status: number, type: string, text: string): void {
    const answer = `${operation} ${status}`;
    const response = ["paths", path, method, "responses", String(status)];
    const content = at(this.#document, [...response, "content"]);
    // An answer without a body, described as one.
    if (type === "" && text === "" && content === undefined && at(this.#document, response) !== undefined) {
      this.seen.add(answer);
      return;
    }
    const where = [...response, "content", type, "schema"];
    if (at(this.#document, where) === undefined) throw new Error(`${answer}: ${type} is not described`);
    const body: unknown = type.endsWith("json") ? JSON.parse(text) : text;
    const pointer = where.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")));
    const validate = this.#ajv.getSchema(`document#/${pointer.join("/")}`);
    // A stream has no end: its events are held against their schema one by one.
    if (type !== "text/event-stream" && validate?.(body) !== true) {
      throw new Error(`${answer}: ${this.#ajv.errorsText(validate?.errors)}: ${text}`);
    }
    const isProblem = type === "application/problem+json";
    this.seen.add(isProblem ? `${answer} ${String(at(body as JsonObject, ["code"]))}` : answer);
  }
}

/** For a test's eyes: nothing may be answered that is not described. */
function closed(open: JsonObject): JsonObject {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const of = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
    const { type, properties } = of;
    const isOpen = type === "object" && properties !== undefined && !("additionalProperties" in of);
    return isOpen ? { ...of, additionalProperties: false } : of;
  };
  return walk(open) as JsonObject;
}

function describedIn(document: JsonObject): Described[] {
  const { paths = {} } = document as Document;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, of]) => {
      const { operationId, security = [], requestBody, responses, parameters = [] } = of as JsonObject;
      return {
        operation: String(operationId),
        method,
        path,
        security: security as readonly JsonObject[],
        hasBody: requestBody !== undefined,
        parameters: (parameters as readonly JsonObject[]).map(({ name }) => String(name)),
        answers: new Map(
          Object.entries(responses as JsonObject).map(([status, answer]) => [
            Number(status),
            codesIn(String(at(answer, ["description"]))),
          ]),
        ),
      };
    }),
  );
}

/** Problems are described as `code`: when. */
function codesIn(description: string): string[] {
  return [...description.matchAll(/`([a-z-]+)`: /g)].map(([, code = ""]) => code);
}

function at(value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(
    (of, part) => (typeof of === "object" && of !== null ? (of as JsonObject)[part] : undefined),
    value,
  );
}
