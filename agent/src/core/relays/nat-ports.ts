/**
 * In which order a NAT gives out outer ports, told from how several relays see one socket: what the next mapping's
 * port will be, if anybody can know (RFC 4787 §4.2.1 for preservation; sequential ones are older than it).
 */
import { type Endpoint, type NatPorts, PORT_STEP_MAX, splitEndpoint } from "@burrow/protocol";

/** How one destination sees the socket, and when the NAT made that mapping. */
export interface Sighting {
  readonly observed: Endpoint;
  /** Mappings of one moment are ordered by this. */
  readonly sequence: number;
  readonly atMs: number;
}

const PORTS = 65_536;
/** Between mappings further apart in time, others behind the same NAT had theirs: their distance says nothing. */
const APART_MS_MAX = 1_000;

/**
 * IPv4 alone. Undefined while too little is known: one mapping whose port is not our own may be anything. Two random
 * ports pass for sequential once in a thousand times; each further sighting makes that rarer.
 */
export function portOrder(sightings: readonly Sighting[], ownPort: number): NatPorts | undefined {
  const inOrder = sightings
    .filter(({ observed }) => !observed.startsWith("["))
    .toSorted((a, b) => a.sequence - b.sequence)
    .map(({ observed, atMs }) => ({ ...splitEndpoint(observed), atMs }));
  const latest = inOrder.at(-1);
  if (latest === undefined) return undefined;
  // A pool of outer addresses counts on each of its own.
  const seen = inOrder.filter(({ address }) => address === latest.address);
  if (seen.filter(({ port }) => port === ownPort).length * 2 > seen.length) return { order: "preserving" };
  const mappings = seen.filter(({ port }, i) => seen.findIndex((other) => other.port === port) === i);
  const steps = stepsOf(mappings);
  if (steps.length === 0) return undefined;
  const direction = Math.sign(steps[0] ?? 0);
  const isOrdered = steps.every((step) => step * direction > 0 && step * direction <= PORT_STEP_MAX);
  if (!isOrdered) return { order: "random" };
  // Others behind the same NAT take ports in between: the least step is nearest to its own.
  const step = direction * Math.min(...steps.map(Math.abs));
  return { order: "sequential", step, last: latest.port };
}

/** From each to the next, the short way round: after 65535 comes the beginning. */
function stepsOf(mappings: readonly { readonly port: number; readonly atMs: number }[]): number[] {
  return mappings.slice(1).flatMap(({ port, atMs }, i) => {
    const before = mappings[i];
    if (before === undefined || atMs - before.atMs > APART_MS_MAX) return [];
    const step = (port - before.port + PORTS) % PORTS;
    return step > PORTS / 2 ? step - PORTS : step;
  });
}
