/** Enrolment tokens: made, listed and taken back; and the operator's own, made anew. For operators. */
import { type NetworkId, toHex } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { TokenRecord } from "../../core/records.ts";
import { TOKEN_USES_MAX } from "../../core/tokens.ts";
import { hashSecret, secretText } from "../operator.ts";
import { type Api, noSuch } from "./endpoint.ts";
import { pageOf } from "./page.ts";
import type { HttpParts } from "./parts.ts";
import { atMs, idParams, idText, PAGE_HEADERS, pageQuery } from "./schemas/fields.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

const DAY_MS = 24 * 60 * 60 * 1000;
const TOKEN_LIFE_MAX_MS = 10 * 365 * DAY_MS;

const networkName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "letters a-z, digits and -, 63 at most");

export const tokenBody = z
  .strictObject({
    for: z.enum(["agent", "relay"]),
    network: networkName.optional().meta({
      description: "The one that agents join (default), or whose own the relays are; made if it is new",
    }),
    uses: z.number().int().min(1).max(TOKEN_USES_MAX).default(1),
    expiresInMs: z.number().int().min(1000).max(TOKEN_LIFE_MAX_MS).default(DAY_MS),
  })
  .meta({ id: "TokenRequest" });

const createdToken = z
  .object({
    id: idText,
    token: z.string().meta({ description: "Shown this once: the coordinator keeps only its hash" }),
    for: z.enum(["agent", "relay"]),
    network: z.string().optional(),
    uses: z.number(),
    expiresAtMs: atMs,
  })
  .meta({ id: "CreatedToken" });

export const tokenView = z
  .object({
    id: idText.meta({ description: "Names the token and lets nobody in" }),
    for: z.enum(["agent", "relay"]),
    network: z.string().nullable(),
    uses: z.number().meta({ description: "How often it can be used in all" }),
    used: z.number().meta({ description: "How often it was used" }),
    state: z.enum(["usable", "used-up", "expired"]),
    expiresAtMs: atMs,
    createdAtMs: atMs,
  })
  .meta({ id: "Token" });
export type TokenView = z.output<typeof tokenView>;

const group = "Tokens";
const path = "/v1/tokens";

const ENDPOINTS = {
  create: {
    method: "post",
    path,
    name: "createToken",
    group,
    summary: "Make an enrolment token",
    access: "operators",
    body: tokenBody,
    answer: { status: 201, description: "The token", schema: createdToken },
  },
  list: {
    method: "get",
    path,
    name: "listTokens",
    group,
    summary: "All enrolment tokens, without their secrets",
    access: "operators",
    query: pageQuery,
    answer: { status: 200, description: "By id", schema: z.array(tokenView), headers: PAGE_HEADERS },
  },
  remove: {
    method: "delete",
    path: `${path}/{id}`,
    name: "removeToken",
    group,
    summary: "Take an enrolment token back: it lets nobody in any more",
    description: "Those whom it let in stay.",
    access: "operators",
    params: idParams,
    answer: { status: 200, description: "What it was", schema: tokenView },
  },
  rotate: {
    method: "post",
    path: "/v1/operator-token",
    name: "rotateOperatorToken",
    group,
    summary: "Make a new operator token",
    description:
      "The one before ends at once, and with it all logins of browsers and operators' streams of events. The new one " +
      "is in operator.json as well.",
    access: "operators",
    body: z.strictObject({}).meta({ id: "Nothing" }),
    answer: {
      status: 201,
      description: "The new one",
      schema: z.object({ token: z.string() }).meta({ id: "OperatorToken" }),
    },
  },
} as const;

/** As long as all other ids: enough to tell tokens apart, too little to find one by. */
function tokenId({ hash }: { readonly hash: string }): string {
  return hash.slice(0, 16);
}

export function addTokens(api: Api, parts: HttpParts): void {
  const { shell, store, random, networkMade } = parts;
  api.add(ENDPOINTS.create, async ({ body }) => {
    const { for: kind, uses, expiresInMs } = body;
    const secret = secretText("burrow_", random);
    const { token, network } = await store.createToken(
      {
        hash: hashSecret(secret),
        kind,
        // A relay's token without one lets in relays that serve all networks.
        networkName: body.network ?? (kind === "agent" ? "default" : undefined),
        freshNetworkId: toHex(random(8)) as NetworkId,
        usesMax: uses,
        expiresAtMs: shell.unixNow + expiresInMs,
      },
      shell.unixNow,
    );
    if (network !== undefined) networkMade(network.id, network.name);
    log.info("an operator made a token for {uses} of {kind}", { uses, kind });
    const { expiresAtMs } = token;
    const named = network === undefined ? {} : { network: network.name };
    return { body: { id: tokenId(token), token: secret, for: kind, ...named, uses, expiresAtMs } };
  });
  const view = (record: TokenRecord) => tokenViewOf(record, parts.networkName, shell.unixNow);
  api.add(ENDPOINTS.list, async ({ query }) => {
    const { items, headers } = pageOf(path, await store.tokens(), tokenId, query);
    return { body: items.map(view), headers };
  });
  api.add(ENDPOINTS.remove, async ({ context }) => {
    const id = context.req.param("id");
    const found = (await store.tokens()).find((token) => tokenId(token) === id);
    const removed = found === undefined ? undefined : await store.removeToken(found.hash);
    if (removed === undefined) return noSuch("token");
    log.info("an operator took token {id} back", { id });
    return { body: view(removed) };
  });
  api.add(ENDPOINTS.rotate, async ({ context }) => {
    const token = await parts.operator.rotate();
    parts.events.endOperators();
    log.warn("the operator token was made anew, asked from {address}", { address: context.env.address });
    return { body: { token } };
  });
}

function tokenViewOf(record: TokenRecord, networkName: HttpParts["networkName"], now: number): TokenView {
  const { kind, network, usesMax, uses, expiresAtMs, createdAtMs } = record;
  const state = now >= expiresAtMs ? "expired" : uses >= usesMax ? "used-up" : "usable";
  return {
    id: tokenId(record),
    for: kind,
    network: network === undefined ? null : networkName(network),
    uses: usesMax,
    used: uses,
    state,
    expiresAtMs,
    createdAtMs,
  };
}
