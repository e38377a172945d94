/** Making enrolment tokens: for operators. */
import { type NetworkId, toHex } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { TOKEN_USES_MAX } from "../../core/tokens.ts";
import { hashSecret, secretText } from "../operator.ts";
import type { HttpParts } from "./app.ts";
import type { Api, Endpoint } from "./endpoint.ts";
import { atMs } from "./schemas/fields.ts";

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

const tokenView = z
  .object({
    token: z.string().meta({ description: "Shown this once: the coordinator keeps only its hash" }),
    for: z.enum(["agent", "relay"]),
    network: z.string().optional(),
    uses: z.number(),
    expiresAtMs: atMs,
  })
  .meta({ id: "Token" });

const CREATE = {
  method: "post",
  path: "/v1/tokens",
  name: "createToken",
  group: "Tokens",
  summary: "Make an enrolment token",
  access: "operators",
  body: tokenBody,
  answer: { status: 201, description: "The token", schema: tokenView },
} as const satisfies Endpoint;

export function addTokens(api: Api, { shell, store, random, networkMade }: HttpParts): void {
  api.add(CREATE, async ({ body }) => {
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
        expiresAtMs: shell.now + expiresInMs,
      },
      shell.now,
    );
    if (network !== undefined) networkMade(network.id, network.name);
    log.info("an operator made a token for {uses} of {kind}", { uses, kind });
    const { expiresAtMs } = token;
    const named = network === undefined ? {} : { network: network.name };
    return { body: { token: secret, for: kind, ...named, uses, expiresAtMs } };
  });
}
