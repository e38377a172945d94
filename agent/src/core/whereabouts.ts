/** Where this agent is, as far as it can tell: its own addresses, how its relays see it, its NAT, its candidates. */
import {
  type Candidate,
  type Endpoint,
  isUsableTarget,
  type NatMapping,
  type NetworkId,
  OVERLAY_V4_PREFIX,
  overlayPrefix6,
  splitEndpoint,
} from "@burrow/protocol";
import { gatherCandidates, hostEndpoints, isInside, sameCandidates } from "./candidates.ts";

export interface WhereaboutsOptions {
  /** Loopback addresses count: for meshes on one machine. */
  readonly loopbackCandidates: boolean;
  readonly statedEndpoints: readonly Endpoint[];
}

/** What became of the machine's addresses. Only those count that somebody else may be able to reach. */
export type LocalChange = "none" | "more" | "gone";

export class Whereabouts {
  candidates: readonly Candidate[] = [];
  nat: NatMapping = "unknown";
  readonly #options: WhereaboutsOptions;
  /** Undefined until the shell has looked. Empty is a network of its own: none. */
  #local: readonly Endpoint[] | undefined;
  #network: NetworkId | undefined;

  constructor(options: WhereaboutsOptions) {
    this.#options = options;
  }

  get local(): readonly Endpoint[] {
    return this.#local ?? [];
  }

  /** The socket's endpoints on this machine's addresses. The first look is no change. */
  look(local: readonly Endpoint[]): LocalChange {
    const before = this.#local === undefined ? undefined : this.#hosts(this.#local);
    const hosts = this.#hosts(local);
    this.#local = local;
    if (before?.some((endpoint) => !hosts.includes(endpoint))) return "gone";
    return before !== undefined && hosts.length > before.length ? "more" : "none";
  }

  /** The network whose overlay addresses are no candidates: a path must not lead through the tunnel it carries. */
  joined(network: NetworkId): void {
    this.#network = network;
  }

  /** Takes in how relays see us. True when others should be told. */
  refresh(reflexive: readonly Endpoint[], nat: NatMapping): boolean {
    const gathered = gatherCandidates(
      this.local,
      reflexive,
      this.#options.statedEndpoints,
      this.#candidateOptions(),
    );
    const changed = !sameCandidates(gathered, this.candidates) || nat !== this.nat;
    this.candidates = gathered;
    this.nat = nat;
    return changed;
  }

  /** May probes go there? Not to ourselves, not into the overlay, not where datagrams harm (`targetProblem`). */
  mayProbe(of: Endpoint): boolean {
    if (this.local.includes(of) || isInside(splitEndpoint(of).address, this.#overlay())) return false;
    return isUsableTarget(of, this.#options.loopbackCandidates ? ["loopback"] : []);
  }

  #hosts(local: readonly Endpoint[]): readonly Endpoint[] {
    return hostEndpoints(local, this.#candidateOptions());
  }

  #candidateOptions() {
    return { loopback: this.#options.loopbackCandidates, overlay: this.#overlay() };
  }

  #overlay(): readonly string[] {
    return this.#network === undefined ? [] : [OVERLAY_V4_PREFIX, overlayPrefix6(this.#network)];
  }
}
