/** Making enrolment tokens: for operators. */
import { type NetworkId, toHex } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Hono } from "hono";
import { z } from "zod";
import { TOKEN_USES_MAX } from "../../core/tokens.ts";
import { hashSecret, secretText } from "../operator.ts";
import type { HttpEnv, HttpParts } from "./app.ts";
import { operatorsOnly } from "./operators-only.ts";
import { badRequest, jsonBody } from "./requests.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

const DAY_MS = 24 * 60 * 60 * 1000;
const TOKEN_LIFE_MAX_MS = 10 * 365 * DAY_MS;

const networkName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "letters a-z, digits and -, 63 at most");

export const tokenBody = z.strictObject({
  for: z.enum(["agent", "relay"]),
  network: networkName.optional(),
  uses: z.number().int().min(1).max(TOKEN_USES_MAX).default(1),
  expiresInMs: z.number().int().min(1000).max(TOKEN_LIFE_MAX_MS).default(DAY_MS),
});

export function addTokens(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, random } = parts;
  app.post("/v1/tokens", operatorsOnly(parts.operatorToken), async (context) => {
    const body = await jsonBody(context, tokenBody);
    if (!body.ok) return badRequest(context, body.problem);
    const { for: kind, uses, expiresInMs } = body.value;
    if (kind === "relay" && body.value.network !== undefined) {
      return badRequest(context, "network is for agents' tokens only: relays serve all networks");
    }
    const secret = secretText("burrow_", random);
    const { token, network } = await store.createToken(
      {
        hash: hashSecret(secret),
        kind,
        networkName: body.value.network ?? "default",
        freshNetworkId: toHex(random(8)) as NetworkId,
        usesMax: uses,
        expiresAtMs: shell.now + expiresInMs,
      },
      shell.now,
    );
    if (network !== undefined) parts.networkMade(network.id, network.name);
    log.info("an operator made a token for {uses} of {kind}", { uses, kind });
    const { expiresAtMs } = token;
    const named = network === undefined ? {} : { network: network.name };
    return context.json({ token: secret, for: kind, ...named, uses, expiresAtMs }, 201);
  });
}
