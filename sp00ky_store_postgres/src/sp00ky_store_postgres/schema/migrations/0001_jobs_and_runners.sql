-- schema : no job can be enqueued or delivered
CREATE SCHEMA IF NOT EXISTS {{schema}}

-- table sp00ky_migration: no job can be enqueued or delivered
CREATE TABLE IF NOT EXISTS {{sp00ky_migration}} (
    table_name text NOT NULL,
    version integer NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, version)
)

-- table sp00ky_runner: no job can be enqueued or delivered
CREATE TABLE IF NOT EXISTS {{sp00ky_runner}} (
    id text PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50)

-- table sp00ky_breaker: no job can be enqueued or delivered
CREATE TABLE IF NOT EXISTS {{sp00ky_breaker}} (
    backend text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed',
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamp with time zone,
    probe_runner text,
    probe_until timestamp with time zone
) WITH (fillfactor = 50)

-- table : no job can be enqueued or delivered
CREATE TABLE IF NOT EXISTS {{table}} (
    -- A UUID of version 7: random ones of version 4 would send each claim and each settle of a large table to another
    -- page of the primary key, which made claims among a million jobs 1.4 times as slow. (PostgreSQL has uuidv7() only
    -- since 18.) Each page has room for the entries that claims and settles add, so that they needn't look for old ones.
    id uuid PRIMARY KEY WITH (fillfactor = 50) DEFAULT
        encode(set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substr(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid,
    -- What is fixed in length comes first, to be found without a look at what is before it, and what claims and settles
    -- write comes last: within a page WAL holds what lies between the first and the last byte that differ.
    -- Not now(), which is the transaction's start: who watches must find what a long transaction committed.
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    run_at timestamp with time zone NOT NULL DEFAULT now(),
    retries integer NOT NULL DEFAULT 0,
    max_retries integer NOT NULL DEFAULT 3,
    path text NOT NULL,
    retry_strategy text NOT NULL DEFAULT 'linear',
    payload json NOT NULL DEFAULT '{}',
    timeout double precision,
    assigned_to text,
    dedup_key text,
    traceparent text,
    errors json NOT NULL DEFAULT '[]',
    status text NOT NULL DEFAULT 'pending',
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    lease_epoch bigint NOT NULL DEFAULT 0,
    lease_until timestamp with time zone,
    runner_id text,
    result json
) WITH (
    -- Room on each page for the versions of its rows that their claims make; those before are gone at the settle.
    fillfactor = 50,
    -- Every job leaves two dead rows: they go away in small portions, before anything has grown.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_analyze_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
)

-- unique dedup: a dedup_key doesn't keep a second job out, and enqueueing with one fails
CREATE UNIQUE INDEX {{concurrently}}{{name}} ON {{table}} (dedup_key)
WHERE dedup_key IS NOT NULL AND status IN ('pending', 'processing')

-- index ended: pruning and watching read the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (status, updated_at) WHERE status IN ('success', 'failed')

-- index assigned: finding a record's jobs reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (assigned_to, path, created_at) WHERE assigned_to IS NOT NULL
