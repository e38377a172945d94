/** What the HTTP routes are given: once for all of them, and with each request. */
import type { NetworkId } from "@burrow/protocol";
import type { GeoResolver } from "../../core/geo.ts";
import type { Readings } from "../../core/readings.ts";
import type { RandomBytes } from "../../core/ticket-office.ts";
import type { Census } from "../census.ts";
import type { Channel } from "../channel.ts";
import type { EventHub } from "../event-hub.ts";
import type { Metrics } from "../metrics.ts";
import type { Operator } from "../operator.ts";
import type { Shell } from "../shell.ts";
import type { Store } from "../store/store.ts";

export interface HttpParts {
  readonly shell: Shell;
  readonly store: Store;
  readonly channel: Channel;
  readonly metrics: Metrics;
  readonly census: Census;
  readonly events: EventHub;
  readonly readings: Readings;
  readonly geo: GeoResolver | undefined;
  readonly operator: Operator;
  readonly random: RandomBytes;
  /** Names of the networks that agents belong to. */
  readonly networkName: (id: NetworkId) => string;
  readonly networkOf: (name: string) => NetworkId | undefined;
  readonly networkMade: (id: NetworkId, name: string) => void;
}

export interface HttpEnv {
  readonly Bindings: {
    /** Who asks, as far as is known. */
    readonly address: string;
    /** By TLS, as far as is known. */
    readonly isSecure: boolean;
  };
}
