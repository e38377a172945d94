/**
 * Which outer ports a NAT will give next, if it gives them in order: one step from the newest that is known for each
 * mapping made since. Nobody outside can count those, so the guesses go on for a while, nearest first.
 */
import type { NatPorts } from "@burrow/protocol";

/** NATs give ports from here up, those below being reserved (RFC 6335 §6); after the last they begin here again. */
export const PORT_MIN = 1_024;
export const PORT_COUNT = 65_536 - PORT_MIN;

/**
 * The first few mappings of a peer that was just introduced are those of its candidates' probes: one for each of our
 * addresses. Others behind its NAT take a few in between.
 */
export const EARLY_GUESSES = 32;
/** All that the peer's many sockets take, and as many as before. */
export const GUESSES_MAX = 320;

/** The n-th guess, n from 0; undefined for a NAT that keeps no order, or when there is no guess left. */
export function guessPort(ports: NatPorts | undefined, n: number): number | undefined {
  if (ports?.order !== "sequential" || n >= GUESSES_MAX) return undefined;
  const { step, last } = ports;
  if (step === undefined || step === 0 || last === undefined) return undefined;
  const distance = last - PORT_MIN + (n + 1) * step;
  return PORT_MIN + (((distance % PORT_COUNT) + PORT_COUNT) % PORT_COUNT);
}
