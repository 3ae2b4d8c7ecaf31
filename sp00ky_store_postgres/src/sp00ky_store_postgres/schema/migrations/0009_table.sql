-- trigger new: rows that aren't a new job's can be inserted
-- What isn't compressed has the length that it takes: a claim knows that a payload is too long without reading it.
ALTER TABLE {{table}} ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TRIGGER {{name}} BEFORE INSERT ON {{table}}
FOR EACH ROW
WHEN (NOT (
    -- What is null is met. Of a long text the length is asked for, which is known without reading it.
    NEW.status = 'pending'
    AND NEW.retries = 0
    AND NEW.lease_epoch = 0
    AND num_nonnulls(NEW.result, NEW.lease_until, NEW.runner_id, NEW.deferred_since) = 0
    AND NEW.errors::text = '[]'
    AND greatest(
        octet_length(NEW.path), octet_length(NEW.retry_strategy), octet_length(NEW.assigned_to),
        octet_length(NEW.dedup_key), octet_length(NEW.traceparent), octet_length(NEW.ordering_key)
    ) <= 8192
    -- From the year 2000 on, in whatever zone; a clock may be set back a little.
    AND NEW.ordering_at BETWEEN '2000-01-01 00:00:00+14' AND clock_timestamp() + interval '1 minute'
))
EXECUTE FUNCTION {{sp00ky_refuse_new_row}}()
