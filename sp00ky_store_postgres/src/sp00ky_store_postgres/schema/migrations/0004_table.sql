-- index recent: listing, watching and clearing jobs read the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (created_at, id) WITH (fillfactor = 50) WHERE status <> 'processing'

-- dropped newest: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- check written: times that no client can read can be written, such as one in the year 10000
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (
    -- Of what claims and settles write, and no more: a CHECK is read with each statement and evaluated for each row.
    least(updated_at, lease_until, deferred_since) >= '0001-01-02 00:00:00+00'
    AND greatest(updated_at, lease_until, deferred_since) <= '9999-12-30 00:00:00+00'
) NOT VALID

-- validated written: rows that are there may hold times that no client can read
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}

-- trigger rules: rows that no runner can work with can be written
CREATE TRIGGER {{name}} BEFORE INSERT OR UPDATE OF
    path, retries, created_at, run_at, priority, ordering_key, ordering_at, expires_at
ON {{table}}
FOR EACH ROW
WHEN (NOT (
    -- What is null is met.
    NEW.path <> ''
    AND least(NEW.retries, NEW.priority) >= 0
    AND NEW.retries <= 1000
    AND NEW.priority <= 3
    AND char_length(NEW.ordering_key) BETWEEN 1 AND 255
    AND (NEW.ordering_key IS NULL OR NEW.ordering_at IS NOT NULL)
    AND least(NEW.created_at, NEW.run_at, NEW.ordering_at, NEW.expires_at) >= '0001-01-02 00:00:00+00'
    AND greatest(NEW.created_at, NEW.run_at, NEW.ordering_at, NEW.expires_at) <= '9999-12-30 00:00:00+00'
))
EXECUTE FUNCTION {{sp00ky_refuse_row}}()

-- dropped path: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped retries: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped instants: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped deferred: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped steering: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}
