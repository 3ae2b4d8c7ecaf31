CREATE TABLE IF NOT EXISTS {{table}} (
    backend text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed',
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    probe_runner text,
    probe_until timestamptz
) WITH (fillfactor = 50)
