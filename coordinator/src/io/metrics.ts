/** What the coordinator counts, as Prometheus metrics. Each instance has a registry of its own. */
import { histogramText } from "@burrow/platform";
import { DURATION_BOUNDS_MS, relayedBecause } from "@burrow/protocol";
import { Counter, Gauge, Registry } from "prom-client";
import type { FigureSums } from "../core/figures.ts";
import type { RelayRegistry } from "../core/relays.ts";
import type { Census } from "./census.ts";

export type Metrics = ReturnType<typeof createMetrics>;

export interface Measured {
  readonly relays: RelayRegistry;
  readonly figures: FigureSums;
  readonly census: Census;
  readonly connections: () => number;
  readonly eventStreams: () => number;
}

export function createMetrics({ relays, figures, census, connections, eventStreams }: Measured) {
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
  gauge("relay_up", "0 while the relay is down, else 1", ["relay", "region"], (to) => {
    for (const { record, state } of relays.all()) {
      to.set({ relay: record.id, region: record.region }, state === "down" ? 0 : 1);
    }
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
  gauge("paths", "Ends of pairs that talk, by the kind of path they use", ["kind"], (to) => {
    const { direct, relayed } = census.take();
    to.set({ kind: "direct" }, direct);
    to.set(
      { kind: "relay" },
      [...relayed.values()].reduce((sum, count) => sum + count, 0),
    );
  });
  gauge("paths_relayed", "Ends of pairs that talk by a relay, by why they do", ["reason"], (to) => {
    const { relayed } = census.take();
    for (const reason of relayedBecause.options) to.set({ reason }, relayed.get(reason) ?? 0);
  });
  new Counter({
    name: "burrow_coordinator_agents_bytes_total",
    help: "Bytes in agents' tunnels, both ways at each end, by the kind of path that carried them",
    labelNames: ["path"],
    registers,
    collect() {
      this.reset();
      this.inc({ path: "direct" }, figures.bytes.direct);
      this.inc({ path: "relay" }, figures.bytes.relay);
    },
  });
  gauge("resident_memory_bytes", "Memory of this process", [], (to) => {
    to.set(process.memoryUsage.rss());
  });

  return {
    contentType: registry.contentType,
    /** All of them as text for Prometheus. */
    text: async () => {
      const histograms = [
        histogramText({
          name: "burrow_coordinator_time_to_direct_seconds",
          help: "From the first packet of a pair to its direct path, as agents told it",
          boundsMs: DURATION_BOUNDS_MS,
          ...figures.timeToDirect,
        }),
        histogramText({
          name: "burrow_coordinator_failover_seconds",
          help: "From the last sign of life on a path that died until packets went another way, as agents told it",
          boundsMs: DURATION_BOUNDS_MS,
          ...figures.failover,
        }),
      ];
      return `${await registry.metrics()}\n${histograms.join("\n")}`;
    },
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
    selections: counter("selections_total", "Agents bound to a relay as their home, each time anew", [
      "relay",
      "region",
    ]),
    homesMoved: counter("homes_moved_total", "Homes that were left, for another relay or for none", ["to"]),
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
