/** The SQLite schema and how it came about: one migration per version, never edited once released. */

/** `Burw` in ASCII: SQLite's `application_id`, so that another program's database is not taken for ours. */
export const APPLICATION_ID = 0x42757277;

/** Migration n takes `user_version` from n to n + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL,
    next_address INTEGER NOT NULL DEFAULT 1
  ) STRICT;

  CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    network TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    address INTEGER NOT NULL,
    version TEXT NOT NULL,
    enrolled_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER,
    home TEXT,
    standby TEXT
  ) STRICT;
  CREATE UNIQUE INDEX agents_names ON agents (network, name) WHERE revoked_at_ms IS NULL;
  CREATE UNIQUE INDEX agents_addresses ON agents (network, address) WHERE revoked_at_ms IS NULL;

  CREATE TABLE relays (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    ticket_key BLOB NOT NULL CHECK (length(ticket_key) = 32),
    region TEXT NOT NULL,
    lat REAL,
    lon REAL,
    endpoints TEXT NOT NULL,
    websocket TEXT,
    version TEXT NOT NULL,
    enrolled_at_ms INTEGER NOT NULL,
    drain_requested INTEGER NOT NULL,
    down_since_ms INTEGER
  ) STRICT;

  CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    network TEXT REFERENCES networks (id),
    uses_max INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    CHECK (uses <= uses_max)
  ) STRICT;
  `,
  `
  ALTER TABLE relays ADD COLUMN network TEXT REFERENCES networks (id);
  ALTER TABLE relays ADD COLUMN weight_ms REAL NOT NULL DEFAULT 0;
  ALTER TABLE relays ADD COLUMN avoid INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE agents ADD COLUMN last_seen_ms INTEGER;
  `,
];
