-- column sp00ky_control.settings: what operators set of a backend at run time isn't kept
ALTER TABLE {{sp00ky_control}} ADD COLUMN IF NOT EXISTS settings json

-- column sp00ky_control.settings_until: what operators set of a backend at run time isn't kept
ALTER TABLE {{sp00ky_control}} ADD COLUMN IF NOT EXISTS settings_until timestamp with time zone
    CHECK (settings_until BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')

-- column sp00ky_control.settings_by: what operators set of a backend at run time isn't kept
ALTER TABLE {{sp00ky_control}} ADD COLUMN IF NOT EXISTS settings_by text

-- column sp00ky_rollup.fine: how long attempts took isn't kept, minute by minute
ALTER TABLE {{sp00ky_rollup}} ADD COLUMN IF NOT EXISTS fine integer[]

-- column request_id: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS request_id text

-- column redacted_at: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS redacted_at timestamp with time zone

-- column copied_from: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS copied_from text

-- index requested: finding the job of a backend's request reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (request_id) WHERE request_id IS NOT NULL

-- index copied: finding the copies of a job reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (copied_from) WHERE copied_from IS NOT NULL

-- index traced: finding the jobs of a trace reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}}
    -- A traceparent has 55 characters. Clients of 0.2 could write any, longer than an index takes.
    (left(traceparent, 64) COLLATE "C") WHERE traceparent IS NOT NULL
