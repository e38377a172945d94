/** The operator's access: one bearer token, made at the first start and kept in the state directory. */
import { createHash, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { readPrivateFile, writeFileAtomic } from "@burrow/platform";
import { UserError } from "@burrow/protocol";
import { z } from "zod";
import type { RandomBytes } from "../core/ticket-office.ts";
import { OperatorSessions } from "./operator-sessions.ts";
import { StoreUnavailable } from "./store/store.ts";

/** Read by commands on the same machine. */
const operatorFile = z.object({
  /** Where the coordinator last listened, as this machine reaches it. */
  url: z.url().max(2048),
  token: z.string().min(32).max(256),
  /** It listens at all of the machine's addresses, of which `url` has the loopback one. */
  isEverywhere: z.boolean().optional(),
});
export type OperatorAccess = z.output<typeof operatorFile>;

export const OPERATOR_FILE = "operator.json";

/** What a coordinator left in its state directory, or undefined. Throws a UserError when it is not readable. */
export async function readOperatorFile(stateDir: string): Promise<OperatorAccess | undefined> {
  const path = join(stateDir, OPERATOR_FILE);
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) return undefined;
  const access = parseOperatorFile(new TextDecoder().decode(bytes));
  if (access !== undefined) return access;
  throw new UserError(
    `${path} is damaged.`,
    "Restore it from a backup, or remove it and start the coordinator again: a new operator token is made.",
  );
}

/** Undefined for a text that is not an operator.json whole. */
export function parseOperatorFile(text: string): OperatorAccess | undefined {
  try {
    return operatorFile.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writeOperatorFile(stateDir: string, access: OperatorAccess): Promise<void> {
  await writeFileAtomic(join(stateDir, OPERATOR_FILE), `${JSON.stringify(access, null, 2)}\n`, 0o600);
}

/** Who is the operator: whoever has the token, or a login that was given for it. */
export class Operator {
  readonly #random: RandomBytes;
  readonly #save: (token: string) => Promise<void>;
  #token: string;
  #sessions: OperatorSessions;

  /** @param save keeps a new token; it counts only once that is done */
  constructor(token: string, random: RandomBytes, save: (token: string) => Promise<void>) {
    this.#token = token;
    this.#random = random;
    this.#save = save;
    this.#sessions = new OperatorSessions(token, random);
  }

  get sessions(): OperatorSessions {
    return this.#sessions;
  }

  /** Compares hashes, so that time tells nothing. */
  isToken(given: string): boolean {
    const hash = (text: string) => createHash("sha256").update(text).digest();
    return timingSafeEqual(hash(given), hash(this.#token));
  }

  /** Whether an Authorization header bears the token. */
  isBorneBy(header: string): boolean {
    const given = /^Bearer +([^\s]+)$/i.exec(header)?.[1];
    return given !== undefined && this.isToken(given);
  }

  /** A new token; the old one and all its logins end. */
  async rotate(): Promise<string> {
    const token = newOperatorToken(this.#random);
    try {
      await this.#save(token);
    } catch (cause) {
      throw new StoreUnavailable(String(cause), { cause });
    }
    this.#token = token;
    this.#sessions = new OperatorSessions(token, this.#random);
    return token;
  }
}

export function newOperatorToken(random: RandomBytes): string {
  return secretText("burrow_op_", random);
}

/** A secret of 256 bits as text that needs no quoting anywhere. */
export function secretText(prefix: string, random: RandomBytes): string {
  return prefix + Buffer.from(random(32)).toString("base64url");
}

export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
