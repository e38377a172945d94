/** Where this agent is, as far as it can tell: its own addresses, how its relays see it, its NAT, its candidates. */
import {
  type Candidate,
  type Endpoint,
  isUsableTarget,
  type NatMapping,
  type NatPorts,
  type NetworkId,
  overlayPrefix6,
  splitEndpoint,
} from "@burrow/protocol";
import { gatherCandidates, hostEndpoints, isInside, sameCandidates } from "./candidates.ts";
import type { Gateway } from "./port-mapping/gateway.ts";

export interface WhereaboutsOptions {
  /** Loopback addresses count: for meshes on one machine. */
  readonly loopbackCandidates: boolean;
  readonly statedEndpoints: readonly Endpoint[];
}

/** What became of the machine's addresses, as far as somebody else may be able to reach them, and of its router. */
export type LocalChange = "none" | "more" | "gone";

/** How we look to our relays, and what that tells of the NAT. */
export interface RelayViews {
  readonly reflexive: readonly Endpoint[];
  natMapping(local: readonly Endpoint[]): NatMapping;
  natPorts(local: readonly Endpoint[]): NatPorts | undefined;
}

export class Whereabouts {
  candidates: readonly Candidate[] = [];
  nat: NatMapping = "unknown";
  natPorts: NatPorts | undefined;
  readonly #options: WhereaboutsOptions;
  /** Undefined until the shell has looked. Empty is a network of its own: none. */
  #local: readonly Endpoint[] | undefined;
  #gateway: Gateway | undefined;
  #prefix6: string | undefined;
  #isOverlay4: (address: string) => boolean = () => false;

  constructor(options: WhereaboutsOptions) {
    this.#options = options;
  }

  get local(): readonly Endpoint[] {
    return this.#local ?? [];
  }

  /** The socket's port, where it has IPv4; else 0. */
  get port4(): number {
    const of = this.local.find((endpoint) => !endpoint.startsWith("["));
    return of === undefined ? 0 : splitEndpoint(of).port;
  }

  /** The socket's endpoints on this machine's addresses. The first look is no change. */
  look(local: readonly Endpoint[], gateway: Gateway | undefined): LocalChange {
    const before = this.#local === undefined ? undefined : this.#hosts(this.#local);
    const hosts = this.#hosts(local);
    // With another router, everything leaves from another address, though none of ours is gone.
    const isRerouted = this.#gateway !== undefined && !sameGateway(this.#gateway, gateway);
    const isOpened = this.#gateway === undefined && gateway !== undefined;
    this.#local = local;
    this.#gateway = gateway;
    if (before !== undefined && isRerouted) return "gone";
    if (before?.some((endpoint) => !hosts.includes(endpoint))) return "gone";
    return before !== undefined && (isOpened || hosts.length > before.length) ? "more" : "none";
  }

  /** The network whose overlay addresses are no candidates; which IPv4 ones those are, the list of peers knows. */
  joined(network: NetworkId, isOverlay4: (address: string) => boolean): void {
    this.#prefix6 = overlayPrefix6(network);
    this.#isOverlay4 = isOverlay4;
  }

  /** Takes in how relays see us, and what our router forwards to us. True when others should be told. */
  refresh(relays: RelayViews, mapped: Endpoint | undefined): boolean {
    const { local } = this;
    const { reflexive } = relays;
    const [nat, natPorts] = [relays.natMapping(local), relays.natPorts(local)];
    const stated = this.#options.statedEndpoints;
    const sources = { local, reflexive, mapped: mapped === undefined ? [] : [mapped], stated };
    const gathered = gatherCandidates(sources, this.#candidateOptions());
    const changed =
      !sameCandidates(gathered, this.candidates) || nat !== this.nat || !samePorts(natPorts, this.natPorts);
    this.candidates = gathered;
    this.nat = nat;
    this.natPorts = natPorts;
    return changed;
  }

  /** May probes go there? Not to ourselves, not into the overlay, not where datagrams harm (`targetProblem`). */
  mayProbe(of: Endpoint): boolean {
    if (this.local.includes(of) || this.#isOverlay(splitEndpoint(of).address)) return false;
    // 100.64.0.0/10 is the carriers' (RFC 6598) before it is ours: only the overlay's own addresses are refused.
    return isUsableTarget(of, this.#options.loopbackCandidates ? ["loopback", "overlay"] : ["overlay"]);
  }

  #hosts(local: readonly Endpoint[]): readonly Endpoint[] {
    return hostEndpoints(local, this.#candidateOptions());
  }

  #candidateOptions() {
    return {
      loopback: this.#options.loopbackCandidates,
      isOverlay: (address: string) => this.#isOverlay(address),
    };
  }

  #isOverlay(address: string): boolean {
    if (!address.includes(":")) return this.#isOverlay4(address);
    return this.#prefix6 !== undefined && isInside(address, [this.#prefix6]);
  }
}

function samePorts(a: NatPorts | undefined, b: NatPorts | undefined): boolean {
  return a?.order === b?.order && a?.step === b?.step && a?.last === b?.last;
}

function sameGateway(a: Gateway, b: Gateway | undefined): boolean {
  return a.address === b?.address && a.local === b.local;
}
