-- table sp00ky_rollup: how many attempts ended how isn't kept, minute by minute
CREATE TABLE IF NOT EXISTS {{sp00ky_rollup}} (
    minute timestamp with time zone NOT NULL,
    -- Empty: it was folded to an hour.
    runner_id text COLLATE "C" NOT NULL DEFAULT '',
    backend text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL DEFAULT '',
    outcome text COLLATE "C" NOT NULL,
    code integer NOT NULL DEFAULT 0,
    count bigint NOT NULL DEFAULT 0,
    seconds_sum double precision NOT NULL DEFAULT 0,
    buckets bigint[] NOT NULL,
    PRIMARY KEY (minute, runner_id, backend, path, outcome, code),
    -- Instants that every client's calendar has.
    CHECK (minute >= '0001-01-02 00:00:00+00' AND minute <= '9999-12-30 00:00:00+00')
)
