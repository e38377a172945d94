/** The coordinator put together: state directory, store, mesh, channel and HTTP, started and stopped as one. */
import { join } from "node:path";
import {
  ensurePrivateDirectory,
  lockDirectory,
  nativePrimitives,
  randomBytes,
  sealerOf,
} from "@burrow/platform";
import { type NetworkId, type RateName, toHex } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { GeoResolver } from "./core/geo.ts";
import type { Happening } from "./core/happenings.ts";
import { Mesh } from "./core/mesh.ts";
import type { RandomBytes } from "./core/ticket-office.ts";
import { Census } from "./io/census.ts";
import { Channel } from "./io/channel.ts";
import { EventHub } from "./io/event-hub.ts";
import { followGeoip } from "./io/geoip-file.ts";
import { createHttpApp } from "./io/http/app.ts";
import { eventView, isForEverybody, loadTeller } from "./io/http/event-views.ts";
import { createMetrics } from "./io/metrics.ts";
import { newOperatorToken, Operator, readOperatorFile, writeOperatorFile } from "./io/operator.ts";
import { PortProbes } from "./io/port-probes.ts";
import { ReadingClerk } from "./io/reading-clerk.ts";
import { type Listen, listen } from "./io/server.ts";
import { Shell } from "./io/shell.ts";
import { DATABASE_FILE } from "./io/store/backup.ts";
import { openSqliteStore } from "./io/store/sqlite.ts";
import { refusalOf, refuseEmptied } from "./io/store/sqlite-file.ts";
import { type Store, StoreUnavailable } from "./io/store/store.ts";

export { distanceKm, type GeoLocation, type GeoResolver } from "./core/geo.ts";
export { openGeoip } from "./io/geoip.ts";
export { OPERATOR_FILE, type OperatorAccess, parseOperatorFile, readOperatorFile } from "./io/operator.ts";
export {
  type AgentView,
  type CreatedToken,
  type NearestView,
  type OperatorClient,
  operatorClient,
  type PathView,
  type RelayView,
  type TokenRequest,
  type TokenView,
} from "./io/operator-client.ts";
export { type BackedUp, backUp, type Restored, restore } from "./io/store/backup.ts";

export interface CoordinatorConfig {
  readonly listen: Listen;
  /** Holds the database and operator.json; made with mode 0700. One coordinator at a time. */
  readonly stateDir: string;
  /** Where addresses are; wins over `geoipFile`. */
  readonly geo?: GeoResolver | undefined;
  /** A MaxMind database (.mmdb) of cities; read again whenever it changes, and on SIGHUP. */
  readonly geoipFile?: string | undefined;
  /** Believe the direct peer's X-Forwarded-For: only behind a reverse proxy. */
  readonly trustProxy?: boolean | undefined;
  readonly store?: "sqlite" | undefined;
  /** What each agent may send through a relay; heard of with its next tickets. Default RATE_DEFAULT. */
  readonly agentRate?: RateName | undefined;
  /** Whether to look at relays' UDP ports from here. Default true. */
  readonly probesRelays?: boolean | undefined;
  /** How often relays' counters are written down for their curves. Default READINGS_INTERVAL_MS. */
  readonly readingsIntervalMs?: number | undefined;
  /** Milliseconds that go on evenly, and Unix milliseconds; with the first alone it is both. */
  readonly now?: (() => number) | undefined;
  readonly unixNow?: (() => number) | undefined;
  readonly random?: RandomBytes | undefined;
}

export interface RunningCoordinator {
  /** `http://ADDRESS:PORT`, with the port that was really taken. */
  readonly url: string;
  /** As it was at the start: operators may have made another since. */
  readonly operatorToken: string;
  /** Ends all channels, writes what is left to write, and frees port and state directory. */
  stop(): Promise<void>;
}

const log = getLogger(["burrow", "coordinator"]);

/** Throws a UserError for whatever a user can mend, and leaves nothing running then. */
export async function startCoordinator(config: CoordinatorConfig): Promise<RunningCoordinator> {
  const { geoipFile } = config;
  const followed = config.geo !== undefined || geoipFile === undefined ? undefined : followGeoip(geoipFile);
  try {
    const running = await startLocked(config, config.geo ?? followed?.locate);
    return {
      ...running,
      stop: async () => {
        await running.stop();
        followed?.close();
      },
    };
  } catch (error) {
    followed?.close();
    throw error;
  }
}

async function startLocked(
  config: CoordinatorConfig,
  geo: GeoResolver | undefined,
): Promise<RunningCoordinator> {
  await ensurePrivateDirectory(config.stateDir);
  const lock = await lockDirectory(config.stateDir);
  let store: Store | undefined;
  try {
    const database = join(config.stateDir, DATABASE_FILE);
    if ((await readOperatorFile(config.stateDir)) !== undefined) refuseEmptied(database);
    store = openSqliteStore(database);
    const running = await serve(config, geo, store);
    return {
      ...running,
      stop: async () => {
        await running.stop();
        await lock.release();
      },
    };
  } catch (error) {
    await store?.close();
    await lock.release();
    throw error;
  }
}

async function serve(
  config: CoordinatorConfig,
  geo: GeoResolver | undefined,
  store: Store,
): Promise<RunningCoordinator> {
  const now = config.now ?? steadyNow;
  const unixNow = config.unixNow ?? config.now ?? Date.now;
  const random = config.random ?? randomBytes;
  const keys = nativePrimitives();
  const known = await readOperatorFile(config.stateDir);
  const operatorToken = known?.token ?? newOperatorToken(random);

  const { agents, relays, networks } = await store.load().catch((error: unknown) => {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw refusalOf(join(config.stateDir, DATABASE_FILE), error.cause);
  });
  const networkNames = new Map<NetworkId, string>(networks.map(({ id, name }) => [id, name]));
  const { agentRate } = config;
  const moment = { now: now(), unixNow: unixNow() };
  const mesh = new Mesh({ agents, relays, sealer: sealerOf(keys), random, ...moment, agentRate });
  let connections = () => 0;
  const census = new Census(mesh.agents);
  let eventStreams = () => 0;
  const metrics = createMetrics({
    relays: mesh.relays,
    figures: mesh.figures,
    census,
    connections: () => connections(),
    eventStreams: () => eventStreams(),
  });
  const networkName = (id: NetworkId) => networkNames.get(id) ?? id;
  const views = { mesh, census, networkName };
  const events = new EventHub({
    boot: toHex(random(6)),
    now: unixNow,
    loads: loadTeller(views, unixNow),
    published: (type) => metrics.events.inc({ type }),
    cutOff: () => metrics.eventStreamsCut.inc(),
  });
  eventStreams = () => events.watchers;
  const clerk = new ReadingClerk({
    relays: mesh.relays,
    census,
    now: unixNow,
    intervalMs: config.readingsIntervalMs,
  });
  const happened = (happening: Happening) => {
    const event = eventView(views, happening, now());
    if (event !== undefined) events.publish(event, isForEverybody(happening) ? "everybody" : "operators");
  };
  const shell = new Shell({ mesh, store, metrics, now, unixNow, happened });
  const channel = new Channel({ shell, store, metrics, geo, keys, random });
  connections = () => channel.size;
  // Saved with the URL, which is known only when requests can come.
  let url = "";
  const save = (token: string) => {
    const everywhere = isWildcard(config.listen.address) ? { isEverywhere: true } : {};
    return writeOperatorFile(config.stateDir, { url, token, ...everywhere });
  };
  const operator = new Operator(operatorToken, random, save);
  const app = createHttpApp({
    shell,
    store,
    channel,
    metrics,
    census,
    events,
    readings: clerk.readings,
    geo,
    operator,
    random,
    networkName,
    networkOf: (name) => [...networkNames].find(([, known]) => known === name)?.[0],
    networkMade: (id, name) => networkNames.set(id, name),
  });

  const server = listen(config.listen, config.trustProxy ?? false, app, channel);
  url = `http://${hostText(server.hostname ?? config.listen.address)}:${server.port}`;
  try {
    await save(operatorToken);
  } catch (error) {
    await server.stop(true);
    throw error;
  }
  shell.start(channel);
  clerk.start();
  const probes = new PortProbes({
    relays: () => mesh.relays.all(),
    sealer: sealerOf(keys),
    random,
    now: unixNow,
    probed: (relay, rttMs) => shell.run((machine, at) => machine.relayProbed(relay, rttMs, at)),
  });
  if (config.probesRelays !== false) await probes.start();
  log.info("serving at {url}; known agents: {agents}, relays: {relays}", {
    url,
    agents: agents.length,
    relays: relays.length,
  });
  return {
    url,
    operatorToken,
    stop: async () => {
      probes.stop();
      clerk.stop();
      shell.stop();
      channel.stop();
      events.stop();
      await server.stop(true);
      await store.close();
      log.info("stopped");
    },
  };
}

function isWildcard(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** Of an address that stands for all of this machine's, the one that reaches it from here. */
function hostText(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  if (address === "::") return "[::1]";
  return address.includes(":") ? `[${address}]` : address;
}

/** About Unix milliseconds, and never set back: a clock that is set must not stop the mesh's news. */
function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}
