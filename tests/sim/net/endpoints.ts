/** Endpoints taken apart, each once: a world has few, and its packets ask for them all the time. */
import { type Endpoint, splitEndpoint } from "@burrow/protocol";

interface Parts {
  readonly address: string;
  readonly port: number;
}

export class Endpoints {
  readonly #parts = new Map<Endpoint, Parts>();

  parts(of: Endpoint): Parts {
    let parts = this.#parts.get(of);
    if (parts === undefined) {
      parts = splitEndpoint(of);
      this.#parts.set(of, parts);
    }
    return parts;
  }
}
