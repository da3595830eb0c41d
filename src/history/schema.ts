import type { Database } from 'better-sqlite3';

/** Raised with every change of the tables; an older file is brought up to it, a newer one is set aside. */
export const schemaVersion = 3;

/** Times are milliseconds since the epoch; bodies are deflated JSON. */
const tables = `
  CREATE TABLE cycles (
    at INTEGER PRIMARY KEY,
    has_moves INTEGER NOT NULL,
    policy TEXT NOT NULL,
    body BLOB NOT NULL
  );
  CREATE INDEX cycles_without_moves ON cycles (at) WHERE has_moves = 0;
  CREATE TABLE policies (hash TEXT PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE moves (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    block TEXT NOT NULL,
    from_link TEXT,
    to_link TEXT,
    rung INTEGER NOT NULL,
    mode TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    predicted_shift_bitps REAL NOT NULL
  );
  CREATE INDEX moves_at ON moves (at);
  CREATE INDEX moves_block ON moves (block, id);
  CREATE TABLE rails (
    hour INTEGER NOT NULL,
    rail TEXT NOT NULL,
    result TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, rail, result)
  ) WITHOUT ROWID;
  CREATE TABLE usage (
    at INTEGER NOT NULL,
    link TEXT NOT NULL,
    inbound_l2 INTEGER NOT NULL,
    outbound_l2 INTEGER NOT NULL,
    inbound_ip INTEGER NOT NULL,
    outbound_ip INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    PRIMARY KEY (at, link)
  ) WITHOUT ROWID;
  CREATE TABLE quality (
    at INTEGER NOT NULL,
    link TEXT NOT NULL,
    retransmission REAL,
    rtt_us REAL,
    loss REAL,
    PRIMARY KEY (at, link)
  ) WITHOUT ROWID;
  CREATE TABLE memory (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
`;

/** Since version 2: what links would have carried without steering, and the usage of blocks. */
const second = `
  CREATE TABLE shifts (
    at INTEGER NOT NULL,
    link TEXT NOT NULL,
    inbound_l2 INTEGER NOT NULL,
    PRIMARY KEY (at, link)
  ) WITHOUT ROWID;
  CREATE TABLE block_usage (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    coverage REAL NOT NULL,
    body BLOB NOT NULL
  );
  CREATE INDEX block_usage_at ON block_usage (at);
`;

/** Since version 3: how much of a block came, beside what was predicted; null until the move is judged. */
const third = `
  ALTER TABLE moves ADD COLUMN share_predicted REAL;
  ALTER TABLE moves ADD COLUMN share_seen REAL;
`;

/** Makes the tables of an empty file, adds to an older one what it lacks; gives the version that the file then has. */
export function prepareTables(database: Database): number {
  // A cast: with `simple` the pragma is one number.
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version >= schemaVersion) return version;
  database.transaction(() => {
    if (version === 0) database.exec(tables);
    if (version < 2) database.exec(second);
    database.exec(third);
    database.pragma(`user_version = ${schemaVersion}`);
  })();
  return schemaVersion;
}
