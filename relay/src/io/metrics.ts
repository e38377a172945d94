/** Prometheus text from the data plane's counters, taken when it is scraped. One registry per relay instance. */
import { histogramText } from "@burrow/platform";
import { Counter, Gauge, Registry } from "prom-client";
import { QUEUE_DELAY_BOUNDS_MS, type QueueDelaysSnapshot } from "../core/queue-delays.ts";
import type { DataPlaneSnapshot } from "./data-plane.ts";

export interface ControlState {
  readonly registered: boolean;
  readonly draining: boolean;
  readonly startedAtMs: number;
}

/** Of all packets that left: what did not wait was in no queue, and so nothing was done to measure it. */
function queueDelays(packets: number, { counts, sumMs }: QueueDelaysSnapshot): string {
  const waited = counts.reduce((sum, count) => sum + count, 0);
  const [first = 0, ...others] = counts;
  return histogramText({
    name: "burrow_relay_queue_delay_seconds",
    help: "How long packets waited for the kernel to take them",
    boundsMs: QUEUE_DELAY_BOUNDS_MS,
    counts: [first + Math.max(0, packets - waited), ...others],
    sumMs,
  });
}

type Labels = Readonly<Record<string, string>>;

export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();

  get contentType(): string {
    return this.#registry.contentType;
  }

  async render({ forwarder, delays, socket }: DataPlaneSnapshot, control: ControlState): Promise<string> {
    this.#gauge("burrow_relay_sessions", "Agents bound here", forwarder.sessions);
    this.#gauge("burrow_relay_outside_clients", "Unmodified WireGuard clients", forwarder.outsideClients);
    this.#gauge("burrow_relay_flows", "Receiver indices known", forwarder.flows);
    this.#gauge("burrow_relay_parties", "Agents and clients known, routed ones included", forwarder.parties);
    this.#gauge(
      "burrow_relay_registered",
      "1 while the coordinator is connected",
      control.registered ? 1 : 0,
    );
    this.#gauge(
      "burrow_relay_draining",
      "1 while the relay sends its agents elsewhere",
      control.draining ? 1 : 0,
    );
    this.#gauge("burrow_relay_start_time_seconds", "Unix time of the start", control.startedAtMs / 1000);
    this.#counter("burrow_relay_received_packets_total", "Datagrams that arrived", forwarder.received);
    this.#counter("burrow_relay_packets_total", "Datagrams that left", forwarder.packets);
    this.#counter("burrow_relay_bytes_total", "UDP payload bytes that left", forwarder.bytes);
    for (const [direction, value] of Object.entries(forwarder.trunk)) {
      this.#counter("burrow_relay_trunk_packets_total", "Packets between relays", value, { direction });
    }
    for (const [status, value] of Object.entries(forwarder.binds)) {
      this.#counter("burrow_relay_binds_total", "Binds answered, by the answer's status", value, { status });
    }
    for (const [reason, value] of Object.entries(forwarder.drops)) {
      this.#counter("burrow_relay_drops_total", "Datagrams dropped, by reason", value, { reason });
    }
    this.#counter(
      "burrow_relay_flow_conflicts_total",
      "Lessons refused for a living flow",
      forwarder.flowConflicts,
    );
    for (const [table, value] of Object.entries(forwarder.evictions)) {
      this.#counter("burrow_relay_evictions_total", "Entries that made room in a full table", value, {
        table,
      });
    }
    for (const [name, value] of Object.entries(socket)) {
      this.#counter("burrow_relay_socket_total", "Counters of the UDP socket", value, { name });
    }
    return `${await this.#registry.metrics()}\n${queueDelays(forwarder.packets, delays)}`;
  }

  #gauge(name: string, help: string, value: number): void {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) {
      gauge = new Gauge({ name, help, registers: [this.#registry] });
      this.#gauges.set(name, gauge);
    }
    gauge.set(value);
  }

  /** Sets a counter to a total that is counted elsewhere. */
  #counter(name: string, help: string, total: number, labels: Labels = {}): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] });
      this.#counters.set(name, counter);
    }
    counter.remove(labels);
    counter.inc(labels, total);
  }
}
