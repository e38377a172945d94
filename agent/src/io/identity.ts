/** The agent's key pair in its state directory: made once, readable by its owner alone, never overwritten. */
import { join } from "node:path";
import { ensurePrivateDirectory, type Primitives, readPrivateFile, writeFileAtomic } from "@burrow/platform";
import { fromBase64, KEY_LENGTH, type PublicKey, toBase64, UserError } from "@burrow/protocol";
import { z } from "zod";

const identityFile = z.object({ privateKey: z.string() });

export interface Identity {
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
}

/**
 * Reads the identity, or makes one. `given`: the key of an existing WireGuard interface, which the agent then takes
 * for its own; a different one in the directory is an error, since both ends of the mesh know agents by their keys.
 */
export async function loadIdentity(
  stateDir: string,
  primitives: Primitives,
  given: Uint8Array | undefined,
): Promise<Identity> {
  await ensurePrivateDirectory(stateDir);
  const path = join(stateDir, "identity.json");
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) {
    const privateKey = given ?? clamp(primitives.randomBytes(KEY_LENGTH));
    await writeFileAtomic(path, `${JSON.stringify({ privateKey: toBase64(privateKey) })}\n`, 0o600);
    return { privateKey, publicKey: primitives.x25519Public(privateKey) };
  }
  const privateKey = parse(bytes, path);
  if (given !== undefined && toBase64(given) !== toBase64(privateKey)) {
    throw new UserError(
      `the WireGuard interface has another private key than ${path}`,
      "give this interface a state directory of its own with --state DIR",
    );
  }
  return { privateKey, publicKey: primitives.x25519Public(privateKey) };
}

function parse(bytes: Uint8Array, path: string): Uint8Array {
  try {
    const { privateKey } = identityFile.parse(JSON.parse(new TextDecoder().decode(bytes)));
    const key = fromBase64(privateKey);
    if (key?.length === KEY_LENGTH) return key;
  } catch {}
  throw new UserError(
    `${path} is not an identity that Burrow wrote`,
    "restore it from a backup; or move it away, and this machine enrols anew with a token",
  );
}

/** RFC 7748 §5: as `wg genkey` does, so that the key can be used by other implementations. */
function clamp(key: Uint8Array): Uint8Array {
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  return key;
}
