/** The WireGuard engine, as the rest of the agent sees it. */
export { type AllowedIp, parseAllowedIp } from "./allowed-ips.ts";
export { SPECIFIED_TIMINGS, type WireGuardTimings } from "./constants.ts";
export { type PeerSettings, WireGuardEngine, type WireGuardEngineOptions } from "./engine.ts";
export { DEFAULT_LOAD_LIMITS, type LoadLimits } from "./load.ts";
export { initiatorOf } from "./noise.ts";
export type { AeadKey, WireGuardPrimitives } from "./primitives.ts";
export {
  type AuthenticatedKind,
  DropReason,
  type EstablishedSession,
  type PeerHandle,
  type PeerStatistics,
  type WireGuardSink,
} from "./sink.ts";
