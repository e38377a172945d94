/**
 * The default store: one SQLite file. Changes that arrive together are committed together, so that a disk that
 * takes milliseconds to sync does not make ten thousand enrolments take minutes.
 */
import { type Database, SQLiteError } from "bun:sqlite";
import type { AgentId, NetworkId, RelayId } from "@burrow/protocol";
import {
  type AgentEnrolment,
  type EnrolmentFacts,
  enrolAgent,
  enrolRelay,
  type RelayEnrolment,
} from "../../core/enrolment.ts";
import type { NetworkRecord, TokenRecord } from "../../core/records.ts";
import { MIGRATIONS } from "./schema.ts";
import { openDatabase } from "./sqlite-file.ts";
import {
  type AgentRow,
  agentOf,
  type NetworkRow,
  networkOf,
  type RelayRow,
  relayOf,
  type TokenRow,
  tokenOf,
} from "./sqlite-rows.ts";
import { type Committed, type NewToken, type Store, StoreUnavailable } from "./store.ts";

/** `path`: the file, made with mode 0600 if there is none. Throws a UserError when it cannot be used. */
export function openSqliteStore(path: string): Store {
  return new SqliteStore(openDatabase(path));
}

/** How much must survive what. FULL syncs the log at each commit: a token that was shown, an enrolment that was
 * acknowledged outlive a power cut. NORMAL outlives the death of the process alone: enough for what is said again. */
type Durability = "FULL" | "NORMAL";

interface Job {
  readonly durability: Durability;
  /** Runs inside the transaction. */
  readonly run: () => void;
  readonly committed: () => void;
  readonly failed: (cause: unknown) => void;
}

class SqliteStore implements Store {
  readonly kind = "sqlite";
  readonly #db: Database;
  readonly #sql: Statements;
  readonly #facts: EnrolmentFacts;
  #jobs: Job[] = [];
  #synchronous: Durability | undefined;
  #closed = false;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepare(db);
    this.#facts = factsFrom(this.#sql);
  }

  async load() {
    await this.#write("FULL", () => {});
    return {
      agents: this.#sql.agents.all().map(agentOf),
      relays: this.#sql.relays.all().map(relayOf),
      networks: this.#sql.networks.all().map(networkOf),
    };
  }

  createToken(token: NewToken, now: number) {
    return this.#write("FULL", () => {
      const { networkName, freshNetworkId } = token;
      const network =
        networkName === undefined ? undefined : this.#networkFor(networkName, freshNetworkId, now);
      const { hash, kind, usesMax, expiresAtMs } = token;
      const record: TokenRecord = {
        hash,
        kind,
        network: network?.id,
        usesMax,
        uses: 0,
        expiresAtMs,
        createdAtMs: now,
      };
      this.#sql.insertToken.run({ ...record, network: record.network ?? null });
      return { token: record, network };
    });
  }

  async tokens() {
    return this.#sql.tokens.all().map(tokenOf);
  }

  removeToken(hash: string) {
    return this.#write("FULL", () => optional(this.#sql.removeToken.get({ hash }), tokenOf));
  }

  enrolAgent(...[request, now, committed]: Parameters<Store["enrolAgent"]>): Promise<AgentEnrolment> {
    return this.#write(
      "FULL",
      () => {
        const outcome = enrolAgent(request, this.#facts, now);
        if (outcome.kind === "refused" || !outcome.changed) return outcome;
        const { id, key, network, name, addressIndex, version, enrolledAtMs } = outcome.record;
        this.#sql.putAgent.run({ id, key, network, name, address: addressIndex, version, enrolledAtMs });
        this.#sql.addressGiven.run({ id: network, next: addressIndex + 1 });
        if (outcome.usedToken !== undefined) this.#sql.useToken.run({ hash: outcome.usedToken });
        return outcome;
      },
      committed,
    );
  }

  enrolRelay(...[request, now, committed]: Parameters<Store["enrolRelay"]>): Promise<RelayEnrolment> {
    return this.#write(
      "FULL",
      () => {
        const outcome = enrolRelay(request, this.#facts, now);
        if (outcome.kind === "refused" || !outcome.changed) return outcome;
        const { id, key, ticketKey, region, at, endpoints, websocket, network, version, enrolledAtMs } =
          outcome.record;
        this.#sql.putRelay.run({
          id,
          key,
          ticketKey,
          region,
          lat: at?.lat ?? null,
          lon: at?.lon ?? null,
          endpoints: JSON.stringify(endpoints),
          websocket: websocket === undefined ? null : JSON.stringify(websocket),
          network: network ?? null,
          version,
          enrolledAtMs,
        });
        if (outcome.usedToken !== undefined) this.#sql.useToken.run({ hash: outcome.usedToken });
        return outcome;
      },
      committed,
    );
  }

  revokeAgent(...[id, now, committed]: Parameters<Store["revokeAgent"]>) {
    return this.#write(
      "FULL",
      () => {
        this.#sql.revokeAgent.run({ id, now });
        return optional(this.#sql.agent.get({ id }), agentOf);
      },
      committed,
    );
  }

  requestDrain(...[id, draining, committed]: Parameters<Store["requestDrain"]>) {
    return this.#write(
      "FULL",
      () => {
        this.#sql.drainRelay.run({ id, draining: draining ? 1 : 0 });
        return optional(this.#sql.relay.get({ id }), relayOf);
      },
      committed,
    );
  }

  saveRelayWishes(...[id, wishes, committed]: Parameters<Store["saveRelayWishes"]>) {
    const { weightMs, avoid } = wishes;
    return this.#write(
      "FULL",
      () => {
        const flag = avoid === undefined ? null : avoid ? 1 : 0;
        this.#sql.relayWishes.run({ id, weightMs: weightMs ?? null, avoid: flag });
        return optional(this.#sql.relay.get({ id }), relayOf);
      },
      committed,
    );
  }

  removeRelay(...[id, committed]: Parameters<Store["removeRelay"]>) {
    return this.#write("FULL", () => optional(this.#sql.removeRelay.get({ id }), relayOf), committed);
  }

  saveHomes(...[homes]: Parameters<Store["saveHomes"]>) {
    return this.#write("NORMAL", () => {
      for (const { agent, home, standby } of homes) {
        this.#sql.saveHome.run({ id: agent, home: home ?? null, standby: standby ?? null });
      }
    });
  }

  saveSeen(...[seen]: Parameters<Store["saveSeen"]>) {
    return this.#write("NORMAL", () => {
      for (const { agent, lastSeenMs } of seen) this.#sql.saveSeen.run({ id: agent, lastSeenMs });
    });
  }

  saveRelayDown(id: RelayId, downSinceMs: number | undefined) {
    return this.#write("NORMAL", () => {
      this.#sql.relayDown.run({ id, downSinceMs: downSinceMs ?? null });
    });
  }

  check() {
    return this.#write("FULL", () => {
      this.#sql.touch.run();
      this.#sql.writePage.run();
    });
  }

  async close() {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    try {
      // Folds the log back into the file, so that a copy of the one file is a backup.
      this.#db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // The disk is full: what was committed is in the log, and the next start finds it there.
      if (!(error instanceof SQLiteError)) throw error;
    }
    this.#db.close();
  }

  #networkFor(name: string, freshId: NetworkId, now: number): NetworkRecord {
    const known = this.#sql.networkByName.get({ name });
    if (known !== null) return networkOf(known);
    this.#sql.insertNetwork.run({ id: freshId, name, now });
    return { id: freshId, name, createdAtMs: now };
  }

  /**
   * Runs `change` in the next transaction; once that is committed, hands what it returned to `committed`, in the order
   * of all changes, and resolves with it.
   */
  #write<T>(durability: Durability, change: () => T, committed?: Committed<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) {
        reject(new StoreUnavailable("the store is closed"));
        return;
      }
      let result: T;
      this.#jobs.push({
        durability,
        run: () => {
          result = change();
        },
        committed: () => {
          committed?.(result);
          resolve(result);
        },
        failed: reject,
      });
      if (this.#jobs.length === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    if (jobs.length === 0 || this.#closed) return;
    const failure = this.#commitAll(jobs);
    if (failure === undefined || jobs.length === 1) {
      settle(jobs, failure);
      return;
    }
    // One that cannot be written must not take the others down with it.
    for (const job of jobs) settle([job], this.#commitAll([job]));
  }

  #commitAll(jobs: readonly Job[]): { readonly cause: unknown } | undefined {
    try {
      this.#setSynchronous(jobs.some(({ durability }) => durability === "FULL") ? "FULL" : "NORMAL");
      this.#db
        .transaction(() => {
          for (const job of jobs) job.run();
        })
        .immediate();
      return undefined;
    } catch (cause) {
      if (!(cause instanceof SQLiteError)) return { cause };
      return { cause: new StoreUnavailable(cause.message, { cause }) };
    }
  }

  #setSynchronous(to: Durability): void {
    if (this.#synchronous === to) return;
    this.#db.run(`PRAGMA synchronous = ${to}`);
    this.#synchronous = to;
  }
}

function settle(jobs: readonly Job[], failure: { readonly cause: unknown } | undefined): void {
  for (const job of jobs) {
    if (failure !== undefined) {
      job.failed(failure.cause);
      continue;
    }
    try {
      job.committed();
    } catch (cause) {
      // Its caller's mistake, which must not keep the others from hearing of theirs.
      job.failed(cause);
    }
  }
}

function factsFrom(sql: Statements): EnrolmentFacts {
  return {
    agent: (id) => optional(sql.agent.get({ id }), agentOf),
    relay: (id) => optional(sql.relay.get({ id }), relayOf),
    token: (hash) => optional(sql.token.get({ hash }), tokenOf),
    network: (id) => optional(sql.network.get({ id }), networkOf),
    nameOwner: (network, name) => optional(sql.nameOwner.get({ network, name }), (row) => row.id),
    nextAddressIndex: (network) => sql.network.get({ id: network })?.next_address ?? 1,
    freedAddressIndex: (network) => optional(sql.freedAddress.get({ network }), (row) => row.address),
  };
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database) {
  return {
    agents: db.query<AgentRow, []>("SELECT * FROM agents"),
    networks: db.query<NetworkRow, []>("SELECT * FROM networks"),
    relays: db.query<RelayRow, []>("SELECT * FROM relays"),
    agent: db.query<AgentRow, { id: string }>("SELECT * FROM agents WHERE id = $id"),
    relay: db.query<RelayRow, { id: string }>("SELECT * FROM relays WHERE id = $id"),
    token: db.query<TokenRow, { hash: string }>("SELECT * FROM tokens WHERE hash = $hash"),
    tokens: db.query<TokenRow, []>("SELECT * FROM tokens"),
    removeToken: db.query<TokenRow, { hash: string }>("DELETE FROM tokens WHERE hash = $hash RETURNING *"),
    network: db.query<NetworkRow, { id: string }>("SELECT * FROM networks WHERE id = $id"),
    networkByName: db.query<NetworkRow, { name: string }>("SELECT * FROM networks WHERE name = $name"),
    nameOwner: db.query<{ id: AgentId }, { network: string; name: string }>(
      "SELECT id FROM agents WHERE network = $network AND name = $name AND revoked_at_ms IS NULL",
    ),
    freedAddress: db.query<{ address: number }, { network: string }>(
      `SELECT address FROM agents WHERE network = $network GROUP BY address
       HAVING count(*) = count(revoked_at_ms) ORDER BY max(revoked_at_ms) LIMIT 1`,
    ),
    insertNetwork: db.query<null, { id: string; name: string; now: number }>(
      "INSERT INTO networks (id, name, created_at_ms) VALUES ($id, $name, $now)",
    ),
    insertToken: db.query(
      `INSERT INTO tokens (hash, kind, network, uses_max, uses, expires_at_ms, created_at_ms)
       VALUES ($hash, $kind, $network, $usesMax, $uses, $expiresAtMs, $createdAtMs)`,
    ),
    useToken: db.query("UPDATE tokens SET uses = uses + 1 WHERE hash = $hash"),
    putAgent: db.query(
      `INSERT INTO agents (id, key, network, name, address, version, enrolled_at_ms)
       VALUES ($id, $key, $network, $name, $address, $version, $enrolledAtMs)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version`,
    ),
    addressGiven: db.query("UPDATE networks SET next_address = max(next_address, $next) WHERE id = $id"),
    revokeAgent: db.query("UPDATE agents SET revoked_at_ms = $now WHERE id = $id AND revoked_at_ms IS NULL"),
    saveHome: db.query("UPDATE agents SET home = $home, standby = $standby WHERE id = $id"),
    saveSeen: db.query("UPDATE agents SET last_seen_ms = $lastSeenMs WHERE id = $id"),
    putRelay: db.query(
      `INSERT INTO relays (id, key, ticket_key, region, lat, lon, endpoints, websocket, network, version, enrolled_at_ms, drain_requested)
       VALUES ($id, $key, $ticketKey, $region, $lat, $lon, $endpoints, $websocket, $network, $version, $enrolledAtMs, 0)
       ON CONFLICT (id) DO UPDATE SET region = excluded.region, lat = excluded.lat, lon = excluded.lon,
         endpoints = excluded.endpoints, websocket = excluded.websocket, version = excluded.version`,
    ),
    drainRelay: db.query("UPDATE relays SET drain_requested = $draining WHERE id = $id"),
    relayWishes: db.query(
      `UPDATE relays SET weight_ms = coalesce($weightMs, weight_ms), avoid = coalesce($avoid, avoid) WHERE id = $id`,
    ),
    removeRelay: db.query<RelayRow, { id: string }>("DELETE FROM relays WHERE id = $id RETURNING *"),
    relayDown: db.query("UPDATE relays SET down_since_ms = $downSinceMs WHERE id = $id"),
    /** Changes nothing, yet fails where writing to tables does. */
    touch: db.query(
      "UPDATE networks SET next_address = next_address WHERE id = (SELECT id FROM networks LIMIT 1)",
    ),
    /** Changes nothing, yet a page goes to the log, whatever is in the tables: it fails where writing to the disk does. */
    writePage: db.query(`PRAGMA user_version = ${MIGRATIONS.length}`),
  };
}

function optional<Row, T>(row: Row | null, from: (row: Row) => T): T | undefined {
  return row === null ? undefined : from(row);
}
