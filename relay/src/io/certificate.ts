/** The certificate of the relay's WebSocket door: the operator's files, or one of its own that agents are told of. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readPrivateFile, writeFileAtomic } from "@burrow/platform";
import { parseMessage, RELAY_TLS_NAME, UserError } from "@burrow/protocol";
import { z } from "zod";

export interface TlsFiles {
  /** PEM: the certificate, and the chain behind it. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  /** Made by this relay: agents trust it because the coordinator names it, not because a CA signed it. */
  readonly isOwn: boolean;
}

const OWN_FILE = "tls.json";
const ownFile = z.object({ certificate: z.string(), key: z.string() });
/** Nobody renews it by hand, and nobody but the coordinator vouches for it: it may outlive the machine. */
const OWN_LIFE_MS = 20 * 365 * 24 * 3_600_000;

export async function loadCertificate(files: TlsFiles | undefined, stateDir: string): Promise<Certificate> {
  if (files === undefined) return ownCertificate(stateDir);
  return { certificate: await readPem(files.certificate), key: await readPem(files.key), isOwn: false };
}

async function readPem(path: string): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (cause) {
    throw new UserError(`cannot read ${path}`, "name a PEM file that this user may read", { cause });
  }
  throw new UserError(
    `${path} is not PEM`,
    "give the certificate with --tls-cert and its key with --tls-key",
  );
}

async function ownCertificate(stateDir: string): Promise<Certificate> {
  const path = join(stateDir, OWN_FILE);
  const bytes = await readPrivateFile(path);
  if (bytes !== undefined) {
    const known = parseMessage(ownFile, new TextDecoder().decode(bytes));
    if (!known.ok)
      throw new UserError(`${path} is broken (${known.problem})`, `remove ${path}: it is made anew`);
    return { ...known.message, isOwn: true };
  }
  // Loaded where it is needed: it takes as long as the rest of a start.
  const { generate } = await import("selfsigned");
  const { cert, private: key } = await generate([{ name: "commonName", value: RELAY_TLS_NAME }], {
    keyType: "ec",
    curve: "P-256",
    notAfterDate: new Date(Date.now() + OWN_LIFE_MS),
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: RELAY_TLS_NAME }] }],
  });
  await writeFileAtomic(path, `${JSON.stringify({ certificate: cert, key })}\n`);
  return { certificate: cert, key, isOwn: true };
}
