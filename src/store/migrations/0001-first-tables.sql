-- Records are kept as JSON in `body`; columns exist only for what is searched, compared or swept by.
-- Ids sort by the time they were made, so (tenant_id, id) is both the key and the order of listings.

CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- sha256 of the secret; the secret itself is nowhere.
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  rate_per_minute REAL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER
) STRICT;

CREATE INDEX keys_by_tenant ON keys (tenant_id, id);

CREATE TABLE executions (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  server_id TEXT NOT NULL,
  status TEXT NOT NULL,
  is_final INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- How many rows of blob_refs belong to it: most have none, and then that table is not touched.
  blob_count INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE INDEX executions_by_status ON executions (tenant_id, status, id);
-- Small at any time: what a start after a crash has to look at.
CREATE INDEX executions_unfinished ON executions (id) WHERE is_final = 0;

-- Which record needs which blob. An owner is an execution id, or "result:" and a key of result_cache.
CREATE TABLE blob_refs (
  hash TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  PRIMARY KEY (hash, tenant_id, owner)
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_refs_by_owner ON blob_refs (tenant_id, owner);

CREATE TABLE environments (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  name TEXT,
  spec_hash TEXT NOT NULL,
  status TEXT NOT NULL,
  revision INTEGER NOT NULL,
  layer TEXT,
  body TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX environments_by_name ON environments (tenant_id, name) WHERE name IS NOT NULL;
CREATE INDEX environments_by_spec ON environments (tenant_id, spec_hash, id);

CREATE TABLE result_cache (
  tenant_id TEXT NOT NULL,
  key TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT;

CREATE INDEX result_cache_by_expiry ON result_cache (expires_at);

CREATE TABLE idempotency_keys (
  tenant_id TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to where the journal has been taken in: moves in the same transaction as the records do, so that a replay neither
-- misses one nor brings back a deleted one.
CREATE TABLE journal_position (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  segment INTEGER NOT NULL,
  position INTEGER NOT NULL
) STRICT;

INSERT INTO journal_position (only_row, segment, position) VALUES (1, 0, 0);
