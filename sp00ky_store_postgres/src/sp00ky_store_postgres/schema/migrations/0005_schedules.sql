-- table sp00ky_schedule: no schedule makes jobs
CREATE TABLE IF NOT EXISTS {{sp00ky_schedule}} (
    -- Sorted by code points, whatever the database's language.
    name text COLLATE "C" PRIMARY KEY,
    definition json NOT NULL DEFAULT '{}',
    hash text NOT NULL,
    seen json NOT NULL DEFAULT '[]',
    origin text NOT NULL DEFAULT 'file',
    revision bigint NOT NULL DEFAULT 1,
    paused boolean NOT NULL DEFAULT false,
    removed boolean NOT NULL DEFAULT false,
    next_fire_at timestamp with time zone,
    last_fired_at timestamp with time zone,
    last_error text,
    failures json NOT NULL DEFAULT '{}',
    -- Instants that every client's calendar has.
    CHECK (
        least(next_fire_at, last_fired_at) >= '0001-01-02 00:00:00+00'
        AND greatest(next_fire_at, last_fired_at) <= '9999-12-30 00:00:00+00'
    )
) WITH (fillfactor = 50)

-- table sp00ky_schedule_run: no schedule makes jobs
CREATE TABLE IF NOT EXISTS {{sp00ky_schedule_run}} (
    schedule text COLLATE "C" NOT NULL,
    fired_at timestamp with time zone NOT NULL,
    key text COLLATE "C" NOT NULL DEFAULT '',
    trigger text NOT NULL DEFAULT 'cron',
    job_id text,
    status text NOT NULL DEFAULT 'running',
    error json,
    finished_at timestamp with time zone,
    PRIMARY KEY (schedule, fired_at, key),
    CHECK (trigger IN ('cron', 'manual')),
    CHECK (status IN ('running', 'success', 'failed', 'skipped', 'replaced', 'killed')),
    -- Instants that every client's calendar has.
    CHECK (
        least(fired_at, finished_at) >= '0001-01-02 00:00:00+00'
        AND greatest(fired_at, finished_at) <= '9999-12-30 00:00:00+00'
    )
)

-- index sp00ky_schedule_run.status: each fire, and each deletion of old runs, reads all runs of its schedule
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (schedule, status, fired_at)

-- index sp00ky_schedule_run.fired: listing the runs of all schedules reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (fired_at, schedule, key)
