/**
 * Keeps the model up to date: the stream of events, the lists whenever the stream cannot tell what was missed, and the
 * paths of those agents and the readings of that relay that are looked at. Views are told at most once a frame, however much arrives.
 */
import type { Reading } from "../model/history.ts";
import { type Agent, type MeshEvent, MeshModel, type Path, type Relay } from "../model/mesh.ts";
import { ApiError, ask, askAll, post } from "./api.ts";

/** `lost`: there was a stream, and it is being tried again. */
export type Connection = "connecting" | "live" | "lost";

/** With more agents connected, lines between all of them would show nothing: then only those of the one looked at. */
export const LINKED_AGENTS_MAX = 60;
/** Events tell when a path changes; its round trip, and that a pair talks, only the lists tell. */
const PATHS_INTERVAL_MS = 4_000;
/** How many lists of paths are asked for at the same time. */
const ASKED_AT_ONCE = 4;
const RECONNECT_MS = 3_000;
/** Lists of a large mesh are megabytes: not again sooner than this. */
const LISTS_INTERVAL_MS = 5_000;

export interface Looked {
  readonly page: "agent" | "relay";
  readonly id: string;
}

export class Live {
  readonly model = new MeshModel();
  connection: Connection = "connecting";
  isOperator = false;
  /** Lists have been read since the page was opened, or since who asks has changed. */
  isLoaded = false;
  readonly #changed: () => void;
  #source: EventSource | undefined;
  #frame: number | undefined;
  #reconnect: ReturnType<typeof setTimeout> | undefined;
  #looked: Looked | undefined;
  #clockOffsetMs = 0;
  /** Events that came while lists were on their way: to be applied after these. */
  #waiting: MeshEvent[] | undefined;
  #listsDue: ReturnType<typeof setTimeout> | undefined;
  #listsReadMs = Number.NEGATIVE_INFINITY;
  /** Grows when what is on its way is not wanted any more. */
  #generation = 0;
  #isAskingPaths = false;

  constructor(changed: () => void) {
    this.#changed = changed;
    setInterval(() => void this.#readPaths(), PATHS_INTERVAL_MS);
  }

  /** The coordinator's clock, to which all times refer. */
  get now(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  start(): void {
    this.#generation++;
    this.#waiting = undefined;
    clearTimeout(this.#listsDue);
    this.#listsDue = undefined;
    this.#listsReadMs = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#reconnect);
    this.#source?.close();
    const source = new EventSource("/v1/events");
    this.#source = source;
    source.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as MeshEvent);
    source.onerror = () => {
      this.connection = this.connection === "connecting" ? "connecting" : "lost";
      // A browser tries again by itself, but not after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) {
        this.#reconnect = setTimeout(() => this.start(), RECONNECT_MS);
      }
      this.#tell();
    };
  }

  async logIn(token: string): Promise<void> {
    await post("/v1/session", { token });
    this.isLoaded = false;
    this.start();
  }

  async logOut(): Promise<void> {
    await ask("/v1/session", { method: "DELETE" });
    this.start();
  }

  async drain(relay: string, draining: boolean): Promise<void> {
    await post(`/v1/relays/${relay}/drain`, { draining });
  }

  /** The agent whose paths are shown whole, or the relay whose curves are, if any. */
  look(at: Looked | undefined): void {
    if (at?.page === this.#looked?.page && at?.id === this.#looked?.id) return;
    this.#looked = at;
    void this.#readPaths();
    void this.#readReadings();
  }

  #take(event: MeshEvent): void {
    if (event.type === "hello") {
      this.#clockOffsetMs = event.atMs - Date.now();
      this.connection = "live";
      this.isOperator = event.operator;
      if (!event.operator) this.model.forgetAgents();
    }
    if (this.#waiting === undefined) this.#apply(event);
    else this.#waiting.push(event);
    this.#tell();
  }

  #apply(event: MeshEvent): void {
    if (this.model.take(event) !== "lists") return;
    const waitMs = event.type === "hello" ? 0 : this.#listsReadMs + LISTS_INTERVAL_MS - performance.now();
    this.#listsDue ??= setTimeout(() => void this.#readLists(), Math.max(0, waitMs));
  }

  async #readLists(): Promise<void> {
    this.#listsDue = undefined;
    const generation = this.#generation;
    this.#waiting = [];
    try {
      const [relays, agents] = await Promise.all([
        askAll<Relay>("/v1/relays"),
        this.isOperator ? askAll<Agent>("/v1/agents") : [],
      ]);
      if (generation !== this.#generation) return;
      this.model.setRelays(relays);
      this.model.setAgents(agents);
      this.isLoaded = true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (generation !== this.#generation) return;
      this.#listsDue = setTimeout(() => void this.#readLists(), RECONNECT_MS);
    }
    this.#listsReadMs = performance.now();
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) if (event.type !== "hello") this.#apply(event);
    this.#tell();
    await Promise.all([this.#readPaths(), this.#readReadings()]);
  }

  /** Without them the curve begins with what is heard from now on. */
  async #readReadings(): Promise<void> {
    const looked = this.#looked;
    if (looked?.page !== "relay" || !this.isLoaded) return;
    const readings = await ask<Reading[]>(`/v1/relays/${looked.id}/history`).catch(() => undefined);
    if (readings !== undefined) this.model.setReadings(looked.id, readings);
    this.#tell();
  }

  async #readPaths(): Promise<void> {
    if (this.#isAskingPaths || !this.isOperator || !this.isLoaded || document.hidden) return;
    this.#isAskingPaths = true;
    const wanted = this.#wantedPaths();
    for (const agent of this.model.paths.keys()) if (!wanted.includes(agent)) this.model.forgetPaths(agent);
    const askInTurn = async () => {
      for (let agent = wanted.shift(); agent !== undefined; agent = wanted.shift()) {
        const paths = await askAll<Path>(`/v1/agents/${agent}/paths`).catch(() => undefined);
        if (paths !== undefined && this.model.agents.has(agent)) this.model.setPaths(agent, paths);
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, askInTurn));
    this.#isAskingPaths = false;
    this.#tell();
  }

  #wantedPaths(): string[] {
    const { page, id = "" } = this.#looked ?? {};
    const looked = page === "agent" && this.model.agents.has(id) ? [id] : [];
    const online = [...this.model.agents.values()].filter((agent) => agent.online);
    if (online.length > LINKED_AGENTS_MAX) return looked;
    return [...new Set([...looked, ...online.map(({ id }) => id)])];
  }

  #tell(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#changed();
    });
  }
}
