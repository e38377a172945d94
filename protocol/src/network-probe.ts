/**
 * The HTTP request that tells a captive portal from an open network, as Tailscale's derper and its clients have it: only
 * who runs Burrow answers 204 and repeats the challenge.
 */
export const PROBE_PATH = "/generate_204";
export const PROBE_CHALLENGE = "x-burrow-challenge";
export const PROBE_RESPONSE = "x-burrow-response";
/** Unix milliseconds where the answer was made. */
export const PROBE_TIME = "x-burrow-time";
/** What is repeated, and nothing else: an answer must not carry a stranger's text. */
export const PROBE_CHALLENGE_TEXT = /^[A-Za-z0-9._-]{1,64}$/;

export function probeResponse(challenge: string): string {
  return `response ${challenge}`;
}
