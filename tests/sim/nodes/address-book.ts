/** Endpoints as the small integers that a forwarder works with. A world is small: nothing is ever forgotten. */
import { type Endpoint, splitEndpoint } from "@burrow/protocol";
import type { Addresses } from "../../../relay/src/core/addresses.ts";

export class AddressBook implements Addresses {
  readonly capacity = 4_096;
  readonly #handles = new Map<Endpoint, number>();
  readonly #endpoints: Endpoint[] = [];

  handle(of: Endpoint): number {
    const known = this.#handles.get(of);
    if (known !== undefined) return known;
    const handle = this.#endpoints.push(of) - 1;
    this.#handles.set(of, handle);
    return handle;
  }

  pin(): boolean {
    return true;
  }

  unpin(): void {}

  endpoint(handle: number): Endpoint {
    const known = this.#endpoints[handle];
    if (known === undefined) throw new Error(`a handle that was never given: ${handle}`);
    return known;
  }

  door(): number {
    return 0;
  }

  reach(of: Endpoint): number {
    return this.handle(of);
  }

  hostHash(handle: number): number {
    const { address } = splitEndpoint(this.endpoint(handle));
    let hash = 7;
    for (const letter of address) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
    return hash;
  }

  isLoopback(): boolean {
    return false;
  }
}
