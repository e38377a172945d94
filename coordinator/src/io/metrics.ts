/** What the coordinator counts, as Prometheus metrics. Each instance has a registry of its own. */
import { Counter, Gauge, Registry } from "prom-client";
import type { RelayRegistry } from "../core/relays.ts";
import type { Census } from "./census.ts";

export type Metrics = ReturnType<typeof createMetrics>;

export interface Measured {
  readonly relays: RelayRegistry;
  readonly census: Census;
  readonly connections: () => number;
  readonly eventStreams: () => number;
}

export function createMetrics({ relays, census, connections, eventStreams }: Measured) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name: `burrow_coordinator_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, labelNames: readonly string[], read: (gauge: Gauge) => void) =>
    new Gauge({
      name: `burrow_coordinator_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        read(this);
      },
    });

  gauge("connections", "Open channels, those included that have not proven a key", [], (to) => {
    to.set(connections());
  });
  gauge("event_streams", "Open streams of events", [], (to) => {
    to.set(eventStreams());
  });
  gauge("relays", "Relays by state", ["state"], (to) => {
    for (const state of ["healthy", "draining", "down"]) to.set({ state }, 0);
    for (const { state } of relays.all()) to.inc({ state });
  });
  gauge("agents", "Agents by whether they are connected", ["online"], (to) => {
    const { online, offline } = census.take();
    to.set({ online: "true" }, online);
    to.set({ online: "false" }, offline);
  });
  gauge("agents_by_home", "Connected agents by the relay they are bound to", ["relay", "region"], (to) => {
    const { guests } = census.take();
    for (const { record } of relays.all()) {
      to.set({ relay: record.id, region: record.region }, guests.get(record.id)?.agents ?? 0);
    }
  });
  gauge("resident_memory_bytes", "Memory of this process", [], (to) => {
    to.set(process.memoryUsage.rss());
  });

  return {
    registry,
    messagesIn: counter("messages_received_total", "Channel messages taken, by sender and type", [
      "from",
      "type",
    ]),
    messagesOut: counter("messages_sent_total", "Channel messages sent, by receiver and type", [
      "to",
      "type",
    ]),
    messagesRefused: counter("messages_refused_total", "Channel messages refused, by reason", ["reason"]),
    hellosRefused: counter("hellos_refused_total", "Agents and relays not let in, by code", ["role", "code"]),
    enrolled: counter("enrolled_total", "Agents and relays that joined for the first time", ["role"]),
    connected: counter("connected_total", "Agents and relays that proved their key", ["role"]),
    replaced: counter("replaced_total", "Channels replaced by a newer one of the same key", ["role"]),
    introduced: counter("introductions_total", "Pairs told to probe each other now"),
    introductionsDropped: counter("introductions_dropped_total", "Introductions asked for too often"),
    tickets: counter("tickets_issued_total", "Tickets sealed for agents"),
    relayStates: counter("relay_state_changes_total", "Relays that changed to a state", ["state"]),
    storeFailures: counter("store_failures_total", "Changes that could not be stored", ["what"]),
    events: counter("events_total", "Events told to those who watch, by type", ["type"]),
    eventStreamsCut: counter("event_streams_cut_total", "Streams of events whose readers did not read"),
    requests: counter("http_requests_total", "HTTP requests answered, by route and status", [
      "method",
      "route",
      "status",
    ]),
  };
}
