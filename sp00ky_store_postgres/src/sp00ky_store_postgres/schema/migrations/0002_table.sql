-- column deferred_since: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS deferred_since timestamp with time zone

-- check deferred: an instant in deferred_since that no client's calendar has is written
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (
    deferred_since IS NULL OR deferred_since BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
) NOT VALID

-- validated deferred: a row that is there may have an instant in deferred_since that no client's calendar has
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}
