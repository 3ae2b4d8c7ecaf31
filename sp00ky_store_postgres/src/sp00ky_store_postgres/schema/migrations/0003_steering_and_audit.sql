-- column sp00ky_runner.draining: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_runner}} ADD COLUMN IF NOT EXISTS draining boolean NOT NULL DEFAULT false

-- column sp00ky_runner.in_flight: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_runner}} ADD COLUMN IF NOT EXISTS in_flight json NOT NULL DEFAULT '{}'

-- column sp00ky_runner.slots: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_runner}} ADD COLUMN IF NOT EXISTS slots json NOT NULL DEFAULT '{}'

-- table sp00ky_control: no job can be delivered
CREATE TABLE IF NOT EXISTS {{sp00ky_control}} (
    backend text PRIMARY KEY,
    paused boolean NOT NULL DEFAULT false,
    paused_until timestamp with time zone,
    reason text,
    actor text,
    since timestamp with time zone,
    -- Requests that the backend could be sent at tokens_at; null: as many as its burst.
    tokens double precision,
    tokens_at timestamp with time zone,
    -- Instants that every client's calendar has.
    CHECK (
        (paused_until IS NULL OR paused_until BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
        AND (since IS NULL OR since BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
        AND (tokens_at IS NULL OR tokens_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
    ),
    CHECK (tokens BETWEEN -1000000000 AND 1000000000)
) WITH (fillfactor = 50)

-- table sp00ky_audit: no operator's act is done, for none can be written down
CREATE TABLE IF NOT EXISTS {{sp00ky_audit}} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    actor text,
    db_user text NOT NULL DEFAULT session_user,
    via text NOT NULL,
    host text NOT NULL,
    action text NOT NULL,
    selection json NOT NULL DEFAULT '{}',
    count bigint NOT NULL DEFAULT 0,
    reason text,
    ended_at timestamp with time zone
)

-- column priority: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS priority integer NOT NULL DEFAULT 0

-- column ordering_key: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS ordering_key text

-- column ordering_at: no job can be enqueued or delivered
ALTER TABLE {{table}}
    ADD COLUMN IF NOT EXISTS ordering_at timestamp with time zone,
    -- For rows that clients insert. Those that are there have none, else the table would be rewritten.
    ALTER COLUMN ordering_at SET DEFAULT clock_timestamp()

-- column expires_at: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS expires_at timestamp with time zone

-- unique ordering: two jobs of one ordering_key may be processed at the same time
CREATE UNIQUE INDEX {{concurrently}}{{name}} ON {{table}} (ordering_key)
WHERE ordering_key IS NOT NULL AND status = 'processing'

-- index keyed: each claim reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (ordering_key, ordering_at, id)
WHERE ordering_key IS NOT NULL AND status IN ('pending', 'processing')

-- index ready: each claim reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (priority DESC, run_at, id)
WHERE status = 'pending' AND ordering_key IS NULL

-- index moved: watching reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (updated_at)
WHERE status = 'pending' AND (lease_epoch > 0 OR updated_at - created_at > interval '1 ms')
