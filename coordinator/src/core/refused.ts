/** What a client is told when it is not let in: a stable code for programs, and words and a way out for people. */

export type RefusalCode =
  | "key-unknown"
  | "token-wrong"
  | "token-kind"
  | "token-expired"
  | "token-used-up"
  | "id-taken"
  | "name-taken"
  | "network-full"
  | "other-network"
  | "endpoint-unusable"
  | "endpoint-taken"
  | "revoked";

export interface Refused {
  readonly kind: "refused";
  readonly code: RefusalCode;
  readonly message: string;
  readonly remedy: string;
}

export function refused(code: RefusalCode, message: string, remedy: string): Refused {
  return { kind: "refused", code, message, remedy };
}

export function isRefused(value: { readonly kind?: string } | object): value is Refused {
  return "kind" in value && value.kind === "refused";
}
