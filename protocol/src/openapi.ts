/**
 * An HTTP API as an OpenAPI 3.1 document, drawn from the very schemas that check its requests and shape its answers.
 * OpenAPI 3.1 speaks JSON Schema 2020-12 (§4.8.24), as zod does: what is left to do here is to put things in place.
 */
import { z } from "zod";

export type Method = "get" | "patch" | "post" | "delete" | "put";

export interface AnswerDescription {
  readonly description: string;
  /** What the body is; absent: it is described in words alone, or there is none. */
  readonly schema?: z.ZodType;
  /** Of the body; JSON unless stated. */
  readonly contentType?: string;
  /** Name to description. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EndpointDescription {
  readonly method: Method;
  /** With parameters in braces: `/v1/relays/{id}`. */
  readonly path: string;
  /** A verb and a noun, unique. */
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  readonly description?: string;
  /** Who may ask; `more-for-operators`: anybody, but operators are told more. */
  readonly access: "everybody" | "operators" | "more-for-operators";
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answers: Readonly<Record<number, AnswerDescription>>;
}

export interface ApiDescription {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** How operators prove who they are; none: nobody need to. */
  readonly securitySchemes?: Readonly<Record<string, JsonObject>>;
  readonly endpoints: readonly EndpointDescription[];
}

export type JsonObject = { readonly [key: string]: JsonValue };
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

type Io = "input" | "output";

export function openApiDocument(api: ApiDescription): JsonObject {
  const components: Record<string, JsonValue> = {};
  const draw = (schema: z.ZodType, io: Io): JsonValue => {
    const { $schema: _, $defs, ...drawn } = schemaOf(schema, io);
    Object.assign(components, withReferences($defs ?? {}));
    return withReferences(drawn as JsonObject);
  };
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const endpoint of api.endpoints) {
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method]: operation(endpoint, api.securitySchemes ?? {}, draw),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: api.title, version: api.version, description: api.description },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))),
      ...(api.securitySchemes === undefined ? {} : { securitySchemes: api.securitySchemes }),
    },
  };
}

function operation(
  { name, group, summary, description, access, params, query, headers, body, answers }: EndpointDescription,
  securitySchemes: Readonly<Record<string, JsonObject>>,
  draw: (schema: z.ZodType, io: Io) => JsonValue,
): JsonObject {
  const parameters = [
    ...parametersOf("path", params, draw),
    ...parametersOf("query", query, draw),
    ...parametersOf("header", headers, draw),
  ];
  const schemes = Object.keys(securitySchemes).map((scheme) => ({ [scheme]: [] }));
  const security = { operators: schemes, "more-for-operators": [{}, ...schemes], everybody: undefined }[
    access
  ];
  const requestBody = body && {
    required: !body.safeParse({}).success,
    content: { "application/json": { schema: draw(body, "input") } },
  };
  return {
    operationId: name,
    tags: [group],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(security === undefined ? {} : { security }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, response(answer, draw)]),
    ),
  };
}

function parametersOf(
  where: "path" | "query" | "header",
  schema: z.ZodObject | undefined,
  draw: (schema: z.ZodType, io: Io) => JsonValue,
): JsonObject[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const drawn = draw(field as z.ZodType, "input");
    const { description, ...rest } = drawn as JsonObject;
    const required = where === "path" || !(field as z.ZodType).safeParse(undefined).success;
    return { name, in: where, required, ...(description === undefined ? {} : { description }), schema: rest };
  });
}

function response(
  { description, schema, contentType = "application/json", headers }: AnswerDescription,
  draw: (schema: z.ZodType, io: Io) => JsonValue,
): JsonObject {
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, told]) => [
              name,
              { description: told, schema: { type: "string" } },
            ]),
          ),
        }),
    ...(schema === undefined ? {} : { content: { [contentType]: { schema: draw(schema, "output") } } }),
  };
}

type Drawn = Readonly<Record<string, unknown>> & { readonly $defs?: JsonObject };

function schemaOf(schema: z.ZodType, io: Io): Drawn {
  return z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io,
    override: ({ jsonSchema }) => {
      // Clients must bear fields that they do not know yet.
      if (io === "output" && jsonSchema.additionalProperties === false) {
        delete jsonSchema.additionalProperties;
      }
      // The largest safe integer, which zod states, says nothing to a reader.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  }) as Drawn;
}

/** Schemas with an id lie in one place of the document, and all others point there. */
function withReferences<Value extends JsonValue>(value: Value): Value {
  return JSON.parse(JSON.stringify(value).replaceAll('"$ref":"#/$defs/', '"$ref":"#/components/schemas/'));
}
