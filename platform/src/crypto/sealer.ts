/** The sealing of control packets (protocol's `Sealer`) by the platform's primitives. */
import type { Sealer } from "@burrow/protocol";
import type { Primitives } from "./primitives.ts";

export function sealerOf(primitives: Primitives): Sealer {
  return {
    seal: (key, nonce, header, plaintext) => primitives.xaeadSeal(key, nonce, plaintext, header),
    open: (key, nonce, header, sealed) => primitives.xaeadOpen(key, nonce, sealed, header),
  };
}
