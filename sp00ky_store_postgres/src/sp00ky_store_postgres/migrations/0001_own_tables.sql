-- The store's own tables, in each schema that holds job tables.
CREATE TABLE IF NOT EXISTS {{migration}} (
    table_name text NOT NULL,
    version integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, version)
);

CREATE TABLE IF NOT EXISTS {{runner}} (
    id text PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS {{breaker}} (
    backend text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed',
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    probe_runner text,
    probe_until timestamptz
) WITH (fillfactor = 50);
