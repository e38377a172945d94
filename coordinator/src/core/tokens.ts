/** Whether a token lets somebody in. Counting its use is the enrolment's business. */

import type { TokenKind, TokenRecord } from "./records.ts";
import { type Refused, refused } from "./refused.ts";

export const TOKEN_LENGTH_BYTES = 32;
export const TOKEN_USES_MAX = 1_000_000;

/** A token that may be used once more now, or why not. `token`: undefined when none was given or none matches. */
export function judgeToken(
  given: boolean,
  token: TokenRecord | undefined,
  kind: TokenKind,
  now: number,
): TokenRecord | Refused {
  const again = `Create a new one with: burrow token create --for ${kind}`;
  if (!given) {
    return refused(
      "key-unknown",
      `This coordinator does not know this ${kind}'s key, and no token came with it.`,
      `Give an enrolment token with --token-file. ${again}`,
    );
  }
  if (token === undefined) {
    return refused(
      "token-wrong",
      "The enrolment token is not one that this coordinator gave out.",
      `Check that it was copied whole and that --coordinator is the right one. ${again}`,
    );
  }
  if (token.kind !== kind) {
    return refused(
      "token-kind",
      `The token is for ${article(token.kind)}, and this is ${article(kind)}.`,
      again,
    );
  }
  if (now >= token.expiresAtMs) {
    return refused("token-expired", `The token expired at ${isoText(token.expiresAtMs)}.`, again);
  }
  if (token.uses >= token.usesMax) {
    const times = token.usesMax === 1 ? "once" : `${token.usesMax} times`;
    return refused("token-used-up", `The token could be used ${times}, and has been.`, again);
  }
  return token;
}

function article(kind: TokenKind): string {
  return kind === "agent" ? "an agent" : "a relay";
}

function isoText(ms: number): string {
  return new Date(ms).toISOString();
}
