/** Why bytes were refused. Parsers return the value or one of these; they never throw. */

export const Refusal = {
  tooShort: "too-short",
  tooLong: "too-long",
  badVersion: "bad-version",
  badField: "bad-field",
  badSeal: "bad-seal",
} as const;

export type Refusal = (typeof Refusal)[keyof typeof Refusal];

export function isRefusal(parsed: unknown): parsed is Refusal {
  return typeof parsed === "string";
}
