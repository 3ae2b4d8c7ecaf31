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

-- function sp00ky_notify: idle runners find new jobs by polling only
CREATE OR REPLACE FUNCTION {{sp00ky_notify}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called once for each INSERT statement; PostgreSQL merges equal notifications of a transaction into one.
BEGIN
    PERFORM pg_notify('sp00ky', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME);
    RETURN NULL;
END
$function$
