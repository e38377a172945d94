/** Where a relay says that it is reached: not where no datagram belongs, nor where another relay is at work. */
import { type Endpoint, NEVER_TARGETS, type TargetProblem, targetProblem } from "@burrow/protocol";
import { type Refused, refused } from "./refused.ts";

export interface EndpointFacts {
  /** The relay is on this machine, as far as its channel tells: then loopback is an address like others. */
  readonly isLocal: boolean;
  readonly isHeldByOther: (endpoint: Endpoint) => boolean;
}

const ADVERTISE = "State the address that the world reaches this relay at: --advertise IP:PORT.";

/** Undefined when all of them will do. */
export function refuseEndpoints(
  endpoints: readonly Endpoint[],
  { isLocal, isHeldByOther }: EndpointFacts,
): Refused | undefined {
  for (const endpoint of endpoints) {
    const problem = targetProblem(endpoint);
    if (problem !== undefined && isUnusable(problem, isLocal)) {
      return refused("endpoint-unusable", `Nobody can reach a relay at ${endpoint} (${problem}).`, ADVERTISE);
    }
    if (isHeldByOther(endpoint)) {
      return refused(
        "endpoint-taken",
        `Another relay is at work at ${endpoint}.`,
        `${ADVERTISE} If it is to take that one's place, stop that one first.`,
      );
    }
  }
  return undefined;
}

/** Carriers' and overlays' addresses (100.64.0.0/10) are whatever their network makes of them. */
function isUnusable(problem: TargetProblem, isLocal: boolean): boolean {
  if (problem === "loopback") return !isLocal;
  return problem === "link-local" || NEVER_TARGETS.has(problem);
}
