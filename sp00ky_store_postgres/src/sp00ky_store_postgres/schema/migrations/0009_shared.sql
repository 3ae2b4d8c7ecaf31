-- function sp00ky_refuse_new_row: rows that aren't a new job's can be inserted
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_new_row}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called only for a row that breaks a rule: says the first that it breaks.
BEGIN
    RAISE check_violation USING
        MESSAGE = format('job %s: %s', NEW.id, (
            SELECT format('%s has %s bytes, at most 8192: shorten it', given.name, given.bytes)
            FROM (VALUES
                ('path', octet_length(NEW.path)),
                ('retry_strategy', octet_length(NEW.retry_strategy)),
                ('assigned_to', octet_length(NEW.assigned_to)),
                ('dedup_key', octet_length(NEW.dedup_key)),
                ('traceparent', octet_length(NEW.traceparent)),
                ('ordering_key', octet_length(NEW.ordering_key))
            ) AS given (name, bytes)
            WHERE given.bytes > 8192
            UNION ALL
            SELECT format('%s isn''t %s, as a new job''s is: leave it out', given.name, coalesce(given.wanted, 'null'))
            FROM (VALUES
                ('status', NEW.status = 'pending', 'pending'),
                ('retries', NEW.retries = 0, '0'),
                ('errors', NEW.errors::text = '[]', '[]'),
                ('result', NEW.result IS NULL, NULL),
                ('lease_epoch', NEW.lease_epoch = 0, '0'),
                ('lease_until', NEW.lease_until IS NULL, NULL),
                ('runner_id', NEW.runner_id IS NULL, NULL),
                ('deferred_since', NEW.deferred_since IS NULL, NULL)
            ) AS given (name, is_met, wanted)
            WHERE NOT given.is_met
            UNION ALL
            SELECT 'ordering_at is before the year 2000, or yet to come: leave it out'
            LIMIT 1
        )),
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$
