/** Runs the mesh machine: gives it time and inputs, and carries out what it puts into its queue. */
import type { AgentId, RelayId } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Happening } from "../core/happenings.ts";
import type { Mesh } from "../core/mesh.ts";
import type { MeshEvent, Output } from "../core/outputs.ts";
import type { Metrics } from "./metrics.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["burrow", "coordinator"]);

/** Who is connected. Sending to somebody who is not does nothing. */
export interface Post {
  toAgent(agent: AgentId, text: string): boolean;
  toRelay(relay: RelayId, text: string): boolean;
}

export interface ShellParts {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly metrics: Metrics;
  /** Goes on evenly, whatever the wall clock is set to. */
  readonly now: () => number;
  /** The wall clock, in Unix milliseconds: for what is stored, shown, or read by other machines. */
  readonly unixNow: () => number;
  /** Told in order, of all that watchers of the mesh may see. */
  readonly happened: (happening: Happening) => void;
}

export class Shell {
  readonly mesh: Mesh;
  readonly #parts: ShellParts;
  #post: Post | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  /** As the mesh was told: the wall clock over our own. */
  #aheadMs = 0;

  constructor(parts: ShellParts) {
    this.mesh = parts.mesh;
    this.#parts = parts;
  }

  get now(): number {
    return this.#parts.now();
  }

  get unixNow(): number {
    return this.#parts.unixNow();
  }

  start(post: Post): void {
    this.#post = post;
    this.run(() => {});
  }

  /** Gives the machine one input, and carries out all that follows from it. */
  run(input: (mesh: Mesh, now: number) => void): void {
    const { now } = this;
    this.#lookAtWallClock(now);
    input(this.mesh, now);
    for (const output of this.mesh.takeOutputs()) this.#carryOut(output);
    this.#schedule();
  }

  stop(): void {
    this.run((mesh, now) => mesh.flush(now));
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Times that were told once are told the same again, as long as the clock was not set by more than it is read apart. */
  #lookAtWallClock(now: number): void {
    const aheadMs = Math.round(this.unixNow - now);
    if (Math.abs(aheadMs - this.#aheadMs) < CLOCK_STEP_LEAST_MS) return;
    this.#aheadMs = aheadMs;
    this.mesh.wallClock(aheadMs);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const deadline = this.mesh.nextDeadline();
    if (deadline === undefined || this.#stopped) return;
    const waitMs = Math.min(Math.max(0, deadline - this.now), TIMER_MAX_MS);
    this.#timer = setTimeout(() => this.run((mesh, now) => mesh.tick(now)), waitMs);
  }

  #carryOut(output: Output): void {
    const { metrics, store } = this.#parts;
    switch (output.to) {
      case "agent":
        if (this.#post?.toAgent(output.agent, JSON.stringify(output.message)) === true) {
          metrics.messagesOut.inc({ to: "agent", type: output.message.type });
        }
        break;
      case "agents": {
        const text = JSON.stringify(output.message);
        for (const agent of output.agents) this.#post?.toAgent(agent, text);
        metrics.messagesOut.inc({ to: "agent", type: output.message.type }, output.agents.length);
        break;
      }
      case "relay":
        if (this.#post?.toRelay(output.relay, JSON.stringify(output.message)) === true) {
          metrics.messagesOut.inc({ to: "relay", type: output.message.type });
        }
        break;
      case "relays": {
        const text = JSON.stringify(output.message);
        for (const relay of output.relays) this.#post?.toRelay(relay, text);
        metrics.messagesOut.inc({ to: "relay", type: output.message.type }, output.relays.length);
        break;
      }
      case "store":
        if ("seen" in output) this.#remember("last seen", store.saveSeen(output.seen));
        else if ("homes" in output) this.#remember("homes", store.saveHomes(output.homes));
        else this.#remember("relay state", store.saveRelayDown(output.relay, output.downSinceMs));
        break;
      case "log":
        this.#note(output.event);
        break;
      case "watchers":
        for (const happening of output.happenings) this.#parts.happened(happening);
        break;
    }
  }

  /** What cannot be stored is said again by the next report: worth a warning, not the end. */
  #remember(what: string, stored: Promise<void>): void {
    stored.catch((cause: unknown) => {
      this.#parts.metrics.storeFailures.inc({ what });
      log.warn("could not store {what}: {problem}", { what, problem: String(cause) });
    });
  }

  #note(event: MeshEvent): void {
    const { metrics } = this.#parts;
    switch (event.kind) {
      case "relay-state": {
        const { record, state, reason } = event.entry;
        metrics.relayStates.inc({ state });
        log.info("relay {relay} ({region}) is {state}: {reason}", {
          relay: record.id,
          region: record.region,
          state,
          reason,
        });
        break;
      }
      case "introduced":
        metrics.introduced.inc();
        log.debug("introduced {from} and {peer}", { from: event.from, peer: event.peer });
        break;
      case "introduction-dropped":
        metrics.introductionsDropped.inc();
        log.debug("{from} asks for {peer} too often", { from: event.from, peer: event.peer });
        break;
      case "home": {
        const relay = event.to === undefined ? undefined : this.mesh.relays.get(event.to)?.record;
        if (relay !== undefined) metrics.selections.inc({ relay: relay.id, region: relay.region });
        if (event.from !== undefined)
          metrics.homesMoved.inc({ to: event.to === undefined ? "none" : "relay" });
        break;
      }
      case "tickets":
        metrics.tickets.inc(event.count);
        break;
    }
  }
}

/** Less is how far apart two clocks are read, or a drift that nobody minds. */
const CLOCK_STEP_LEAST_MS = 100;
/** setTimeout takes 31 bits; waking now and then is harmless. */
const TIMER_MAX_MS = 60 * 60 * 1000;
