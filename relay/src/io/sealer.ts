/** Sealing of control packets by the platform's AEAD: native where it loads. */
import type { Primitives } from "@burrow/platform";
import type { Sealer } from "@burrow/protocol";

export function sealerOf(primitives: Primitives): Sealer {
  return {
    seal: (key, nonce, header, plaintext) => primitives.xaeadSeal(key, nonce, plaintext, header),
    open: (key, nonce, header, sealed) => primitives.xaeadOpen(key, nonce, sealed, header),
  };
}
