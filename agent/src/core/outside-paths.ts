/** Where WireGuard clients that know nothing of Burrow were last heard: they have no paths, and what is for one goes there. */
import type { AgentId } from "@burrow/protocol";
import type { PathTarget } from "./paths/path.ts";

export class OutsidePaths {
  readonly #via = new Map<AgentId, PathTarget | undefined>();

  add(client: AgentId): void {
    this.#via.set(client, undefined);
  }

  /** Whoever is no client of ours is not remembered. */
  heard(client: AgentId, via: PathTarget): void {
    if (this.#via.has(client)) this.#via.set(client, via);
  }

  of(client: AgentId | undefined): PathTarget | undefined {
    return client === undefined ? undefined : this.#via.get(client);
  }
}
