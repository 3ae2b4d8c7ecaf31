-- function sp00ky_refuse_new_row: rows that aren't a new job's can be inserted
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_new_row}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called for a row that isn't plain: lets a new job's pass, and says the first rule that another one breaks.
DECLARE
    -- One expression, which a session plans once. What is null is met.
    problem text := CASE
        WHEN octet_length(NEW.path) > 8192 THEN 'path has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.retry_strategy) > 8192 THEN 'retry_strategy has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.assigned_to) > 8192 THEN 'assigned_to has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.dedup_key) > 8192 THEN 'dedup_key has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.traceparent) > 8192 THEN 'traceparent has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.ordering_key) > 8192 THEN 'ordering_key has over 8192 bytes: shorten it'
        WHEN NEW.status <> 'pending' THEN 'status isn''t pending, as a new job''s is: leave it out'
        WHEN NEW.retries <> 0 THEN 'retries isn''t 0, as a new job''s is: leave it out'
        WHEN NEW.errors::text <> '[]' THEN 'errors isn''t [], as a new job''s is: leave it out'
        WHEN NEW.result IS NOT NULL THEN 'result isn''t null, as a new job''s is: leave it out'
        WHEN NEW.lease_epoch <> 0 THEN 'lease_epoch isn''t 0, as a new job''s is: leave it out'
        WHEN NEW.lease_until IS NOT NULL THEN 'lease_until isn''t null, as a new job''s is: leave it out'
        WHEN NEW.runner_id IS NOT NULL THEN 'runner_id isn''t null, as a new job''s is: leave it out'
        WHEN NEW.deferred_since IS NOT NULL THEN 'deferred_since isn''t null, as a new job''s is: leave it out'
        -- From the year 2000 on, in whatever zone; a clock may be set back a little.
        WHEN NEW.ordering_at NOT BETWEEN '2000-01-01 00:00:00+14' AND clock_timestamp() + interval '1 minute'
            THEN 'ordering_at is before the year 2000, or yet to come: leave it out'
        WHEN NEW.ordering_key IS NOT NULL AND NEW.ordering_at IS NULL THEN 'ordering_key has no ordering_at'
        WHEN char_length(NEW.ordering_key) NOT BETWEEN 1 AND 255 THEN 'ordering_key hasn''t 1 to 255 characters'
        WHEN NEW.path = '' THEN 'path is empty'
        WHEN NEW.priority NOT BETWEEN 0 AND 3 THEN 'priority isn''t 0 to 3'
        WHEN least(NEW.created_at, NEW.run_at, NEW.expires_at) < '0001-01-02 00:00:00+00'
            OR greatest(NEW.created_at, NEW.run_at, NEW.expires_at) > '9999-12-30 00:00:00+00'
            THEN 'created_at, run_at or expires_at isn''t within the years 1 to 9999'
    END;
BEGIN
    IF problem IS NULL THEN
        -- INSERT ... SELECT takes it as another table has it, and a claim would unpack it to learn its length.
        IF octet_length(NEW.payload::text) > pg_column_size(NEW.payload) THEN
            NEW.payload := NEW.payload::text::json;
        END IF;
        RETURN NEW;
    END IF;
    RAISE check_violation USING
        MESSAGE = format('job %s: %s', NEW.id, problem),
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$
