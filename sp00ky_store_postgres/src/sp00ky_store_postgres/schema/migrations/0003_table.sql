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

-- dropped due: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- index moved: watching reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (updated_at)
WHERE status = 'pending' AND (lease_epoch > 0 OR updated_at - created_at > interval '1 ms')

-- dropped again: each retry maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- trigger payload: payloads that are no JSON object can be written
CREATE TRIGGER {{name}} BEFORE INSERT OR UPDATE OF payload ON {{table}}
FOR EACH ROW
WHEN (json_typeof(NEW.payload) IS DISTINCT FROM 'object')
EXECUTE FUNCTION {{sp00ky_refuse_payload}}()

-- dropped payload: each claim and each settle parses the payload once more
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}
