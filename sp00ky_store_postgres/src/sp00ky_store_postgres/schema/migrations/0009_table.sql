-- trigger changed: rows that no runner can work with can be written
CREATE TRIGGER {{name}} BEFORE UPDATE OF
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

-- trigger new: rows that aren't a new job's can be inserted
-- What isn't compressed has the length that it takes: a claim knows that a payload is too long without reading it.
ALTER TABLE {{table}} ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TRIGGER {{name}} BEFORE INSERT ON {{table}}
FOR EACH ROW
WHEN (NOT (
    -- Each INSERT parses this, which takes longer than to evaluate it. So it is short: it tells a plain row, of which
    -- the function needn't be asked. What is null is met, and the length of a long text is known without reading it.
    NEW.status = 'pending'
    AND (NEW.retries | NEW.priority) = 0
    AND NEW.lease_epoch = 0
    AND num_nonnulls(
        NEW.result, NEW.lease_until, NEW.runner_id, NEW.deferred_since,
        NEW.ordering_key, NEW.ordering_at, NEW.expires_at
    ) = 0
    AND NEW.errors::text = '[]'
    AND NEW.path <> ''
    AND greatest(
        octet_length(NEW.path), octet_length(NEW.retry_strategy), octet_length(NEW.assigned_to),
        octet_length(NEW.dedup_key), octet_length(NEW.traceparent),
        pg_column_size(NEW.payload) -- as it comes: one that is compressed may be many times as long
    ) <= 8192
    AND least(NEW.created_at, NEW.run_at) >= '0001-01-02 00:00:00+00'
    AND greatest(NEW.created_at, NEW.run_at) <= '9999-12-30 00:00:00+00'
))
EXECUTE FUNCTION {{sp00ky_refuse_new_row}}()

-- dropped rules: each INSERT reads one more condition, which the trigger of new rows has, too
DROP TRIGGER IF EXISTS {{name}} ON {{table}}
