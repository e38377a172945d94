/** Every bound and budget of the forwarder, with its reason. Tests and small machines pass their own. */
import type { Budget } from "@burrow/protocol";

export interface Limits {
  /** Agents bound here, routed agents and outside clients together. */
  readonly partiesMax: number;
  /** Of these, agents that one other relay brought in by the trunk, and of whom neither the coordinator nor a Bind spoke. */
  readonly taughtPerRelayMax: number;
  /** Agents bound at once; more get a Bound of status `refused`. */
  readonly sessionsMax: number;
  readonly outsideMax: number;
  /** (source, receiver index) → destination. A busy pair has up to three sessions, two flows each. */
  readonly flowsMax: number;
  readonly relaysMax: number;
  readonly ticketsCachedMax: number;
  readonly revokedMax: number;
  /** Receiver indices declared by one agent for peers that this relay has not met yet. */
  readonly pendingFlowsMax: number;
}

export const DEFAULT_LIMITS: Limits = {
  partiesMax: 131_072,
  taughtPerRelayMax: 8_192,
  sessionsMax: 32_768,
  outsideMax: 4_096,
  flowsMax: 393_216,
  relaysMax: 4_096,
  ticketsCachedMax: 32_768,
  revokedMax: 65_536,
  pendingFlowsMax: 256,
};

/** Small enough for hundreds of relays in one process. */
export const SMALL_LIMITS: Limits = {
  partiesMax: 2_048,
  taughtPerRelayMax: 128,
  sessionsMax: 1_024,
  outsideMax: 256,
  flowsMax: 12_288,
  relaysMax: 256,
  ticketsCachedMax: 1_024,
  revokedMax: 1_024,
  pendingFlowsMax: 64,
};

/** A binding without another Bind ends after this; agents bind every 15 s, so three may be lost. */
export const BINDING_LIFETIME_MS = 60_000;
/**
 * A way back that the trunk taught ends with so much silence. Agents probe through their standby now and then: that is
 * no change of home, and whoever is bound elsewhere has bound there anew or is gone by then.
 */
export const LEARNED_ROUTE_LIFETIME_MS = BINDING_LIFETIME_MS;
/** Threads that do not hear the trunk are told again of a way back that is still in use. */
export const LESSON_REPEAT_MS = LEARNED_ROUTE_LIFETIME_MS / 6;
/** An agent in doubt sends by two relays in turn: its way back is told no more often than this, the last one at the end. */
export const LESSON_PAUSE_MS = 100;
/**
 * How long a revocation must be remembered over restarts: tickets live 24 h, and clocks may be off; what is older than
 * twice that says `expired` by itself.
 */
export const REVOCATION_LIFE_MS = 48 * 3_600_000;
/** Captured cookies die after twice this. WireGuard's own cookie secrets live as long (§5.4.7). */
export const COOKIE_SECRET_LIFETIME_MS = 120_000;
/**
 * How long an unbound agent is remembered, so that flows towards it survive a change of network. Longer than
 * a cookie, so that the sequence of its last Bind is known for as long as an old Bind could be replayed.
 */
export const LINGER_MS = 600_000;
/** A session ends after REJECT_AFTER_TIME, 180 s (WireGuard §6.1); its flows have no use after that. */
export const FLOW_LIFETIME_S = 200;
/** A handshake that nobody answers is repeated after 5 s with another index (WireGuard §6.1). */
export const FLOW_UNUSED_LIFETIME_S = 15;
/** A flow without a packet for so long is not in use: keep-alives come every 25 s, and one may be lost. */
export const FLOW_IDLE_S = 60;
/**
 * Of a full table, what one source may hold of flows that carry nothing before they are the first to go. Enough for a
 * hub's: those it has just declared, and those of sessions that it has renewed since.
 */
export const FLOWS_WITHOUT_USE_SHARE = 1 / 64;
/** An outside client without traffic for a whole session's life has none; one never answered is a guess. */
export const OUTSIDE_LIFETIME_MS = 200_000;
export const OUTSIDE_UNANSWERED_LIFETIME_MS = 15_000;
/** How many former partners are tried first when a handshake arrives. */
export const PARTNERS_MAX = 8;
/** Agents hold a running and a renewed ticket per relay; older ones must not start their sequences anew. */
export const SESSIONS_REMEMBERED_MAX = 4;

/** Binds of one agent: one in 15 s, a few at once while it moves or measures. */
export const BINDS_PER_AGENT: Budget = { perSecond: 5, burst: 20 };
/** Genuine Binds from elsewhere than where their agents are bound. 10,000 agents of a dead relay fit in seconds. */
export const BINDS_UNBOUND: Budget = { perSecond: 4_000, burst: 8_000 };
/** Challenges that go to one host: a captured Bind can ask for them. Many agents may share one behind a NAT. */
export const CHALLENGES_PER_HOST: Budget = { perSecond: 200, burst: 400 };
/** Binds that turn out to be junk: 6 µs each, so an eighth of a core at most. Strangers need 38 Mbit/s to use it up. */
export const BIND_FAILURES: Budget = { perSecond: 20_000, burst: 10_000 };
/** What one host may fail while that runs low; many agents may share one behind a NAT. */
export const BIND_FAILURES_PER_HOST: Budget = { perSecond: 200, burst: 400 };
/** Binds from 127.0.0.1 or ::1 on top of these: the relay's check of itself must not fail for a flood of others. */
export const BINDS_LOOPBACK: Budget = { perSecond: 10, burst: 20 };
/** Handshake messages of one agent. A hub that restarts greets hundreds of peers at once. */
export const HANDSHAKES_PER_AGENT: Budget = { perSecond: 100, burst: 1_000 };
/** MAC1 checks (10 µs each) caused by one agent, and by all of them: a tenth of a core at the very most. */
export const CHECKS_PER_AGENT: Budget = { perSecond: 1_024, burst: 4_096 };
export const CHECKS_ALL: Budget = { perSecond: 10_000, burst: 10_000 };
/** Handshakes from unbound endpoints: of one host, of all, the checks they cause, and new clients. */
export const OUTSIDE_PER_HOST: Budget = { perSecond: 5, burst: 20 };
export const OUTSIDE_ALL: Budget = { perSecond: 1_000, burst: 2_000 };
export const OUTSIDE_CHECKS: Budget = { perSecond: 2_048, burst: 4_096 };
export const OUTSIDE_NEW: Budget = { perSecond: 50, burst: 200 };
/** Trunk packets from addresses that are not the sending relay's: verified within this budget only. */
export const TRUNK_STRANGERS: Budget = { perSecond: 500, burst: 500 };

/** Pings to other relays, whatever their number: 40 bytes and a MAC each. */
export const SOUNDINGS: Budget = { perSecond: 16, burst: 16 };

/** What one agent may send. */
export interface RateClass {
  readonly packets: Budget;
  readonly bytes: Budget;
}

const rate = (megabitsPerSecond: number): RateClass => {
  const bytesPerSecond = (megabitsPerSecond * 1_000_000) / 8;
  // Small packets (200 bytes) may fill the rate; a quarter of a second may come at once.
  return {
    packets: { perSecond: bytesPerSecond / 200, burst: Math.max(500, bytesPerSecond / 800) },
    bytes: { perSecond: bytesPerSecond, burst: Math.max(64_000, bytesPerSecond / 4) },
  };
};

/**
 * By the ticket's rate class (RATE_CLASS of protocol/src/ticket.ts); an index past the end is taken for class 0, which
 * no agent can fill.
 * Only the coordinator makes tickets.
 */
export const RATE_CLASSES: readonly RateClass[] = [
  rate(100_000),
  rate(10),
  rate(100),
  rate(1_000),
  rate(10_000),
];
