/** Errors by kind: what a user can mend. Hostile bytes never become exceptions; they are counted drops. */

/** A mistake that the person at the keyboard can mend: what is wrong, and what to do about it. */
export class UserError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "UserError";
    this.remedy = remedy;
  }
}

/** A condition that only a mistake in this program can break. Ends the process rather than the truth. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
