-- index recent: listing, watching and clearing jobs read the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (created_at, id) WITH (fillfactor = 50) WHERE status <> 'processing'

-- check written: a status that there isn't, and times that no client can read, such as one in the year 10000, can be written
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (
    -- Of what claims and settles write, and no more: a CHECK is read with each statement and evaluated for each row.
    -- (0.2 has those of the status and of the epoch apart.)
    status IN ('pending', 'processing', 'success', 'failed')
    AND lease_epoch BETWEEN 0 AND 4611686018427387904
    AND least(updated_at, lease_until, deferred_since) >= '0001-01-02 00:00:00+00'
    AND greatest(updated_at, lease_until, deferred_since) <= '9999-12-30 00:00:00+00'
) NOT VALID

-- validated written: rows that are there may hold what no runner can work with, or no client can read
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}
