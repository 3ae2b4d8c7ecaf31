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

-- function sp00ky_refuse_new_row: rows that aren't a new job's can be inserted
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_new_row}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called for a row that isn't plain: lets a new job's pass, and says the first rule that another one breaks.
DECLARE
    -- One expression, which a session plans once. What is null is met.
    problem text := CASE
        WHEN json_typeof(NEW.payload) <> 'object'
            THEN 'payload is no JSON object, but: ' || json_typeof(NEW.payload)
        WHEN octet_length(NEW.path) > 8192 THEN 'path has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.retry_strategy) > 8192 THEN 'retry_strategy has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.assigned_to) > 8192 THEN 'assigned_to has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.dedup_key) > 8192 THEN 'dedup_key has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.traceparent) > 8192 THEN 'traceparent has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.ordering_key) > 8192 THEN 'ordering_key has over 8192 bytes: shorten it'
        WHEN octet_length(NEW.copied_from) > 8192 THEN 'copied_from has over 8192 bytes: shorten it'
        WHEN NEW.status <> 'pending' THEN 'status isn''t pending, as a new job''s is: leave it out'
        WHEN NEW.retries <> 0 THEN 'retries isn''t 0, as a new job''s is: leave it out'
        WHEN NEW.errors::text <> '[]' THEN 'errors isn''t [], as a new job''s is: leave it out'
        WHEN NEW.result IS NOT NULL THEN 'result isn''t null, as a new job''s is: leave it out'
        WHEN NEW.lease_epoch <> 0 THEN 'lease_epoch isn''t 0, as a new job''s is: leave it out'
        WHEN NEW.lease_until IS NOT NULL THEN 'lease_until isn''t null, as a new job''s is: leave it out'
        WHEN NEW.runner_id IS NOT NULL THEN 'runner_id isn''t null, as a new job''s is: leave it out'
        WHEN NEW.deferred_since IS NOT NULL THEN 'deferred_since isn''t null, as a new job''s is: leave it out'
        WHEN NEW.request_id IS NOT NULL THEN 'request_id isn''t null, as a new job''s is: leave it out'
        WHEN NEW.redacted_at IS NOT NULL THEN 'redacted_at isn''t null, as a new job''s is: leave it out'
        WHEN NEW.copied_from IS NOT NULL AND NOT has_table_privilege(TG_RELID, 'UPDATE')
            THEN 'copied_from is written by operators alone, who may UPDATE: leave it out'
        -- From the year 2000 on, in whatever zone; a clock may be set back a little.
        WHEN NEW.ordering_at NOT BETWEEN '2000-01-01 00:00:00+14' AND clock_timestamp() + interval '1 minute'
            THEN 'ordering_at is before the year 2000, or yet to come: leave it out'
        WHEN NEW.ordering_key IS NOT NULL AND NEW.ordering_at IS NULL THEN 'ordering_key has no ordering_at'
        WHEN char_length(NEW.ordering_key) NOT BETWEEN 1 AND 255 THEN 'ordering_key hasn''t 1 to 255 characters'
        WHEN NEW.path = '' THEN 'path is empty'
        WHEN NEW.priority NOT BETWEEN 0 AND 3 THEN 'priority isn''t 0 to 3'
        WHEN NEW.max_retries NOT BETWEEN 0 AND 1000 THEN 'max_retries isn''t 0 to 1000'
        WHEN NEW.timeout <= 0 OR NEW.timeout >= 'Infinity' THEN 'timeout isn''t above 0 and finite'
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

-- index sp00ky_audit.at: listing operators' acts reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (at, id)

-- function sp00ky_refuse_change: rows that no runner can work with can be written
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_change}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called only for a row that breaks a rule.
BEGIN
    RAISE check_violation USING
        MESSAGE = format('new row of %s violates check constraint "%s"', TG_TABLE_NAME, TG_NAME),
        DETAIL = 'path is not empty; retries and max_retries are 0 to 1000; timeout is above 0 and finite; priority is '
            '0 to 3; ordering_key has 1 to 255 characters, and an ordering_at; instants are within the years 1 to 9999',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$

-- trigger changed: rows that no runner can work with can be written
-- AFTER: where there is any trigger BEFORE UPDATE, each row is locked for it before it is written, of whatever columns.
CREATE TRIGGER {{name}} AFTER UPDATE OF
    path, retries, max_retries, timeout, created_at, run_at, priority, ordering_key, ordering_at, expires_at, redacted_at
ON {{table}}
FOR EACH ROW
WHEN (NOT (
    -- What is null is met.
    NEW.path <> ''
    AND least(NEW.retries, NEW.max_retries, NEW.priority) >= 0
    AND greatest(NEW.retries, NEW.max_retries) <= 1000
    AND NEW.priority <= 3
    AND NEW.timeout > 0
    AND NEW.timeout < 'Infinity'
    AND char_length(NEW.ordering_key) BETWEEN 1 AND 255
    AND (NEW.ordering_key IS NULL OR NEW.ordering_at IS NOT NULL)
    AND least(NEW.created_at, NEW.run_at, NEW.ordering_at, NEW.expires_at, NEW.redacted_at) >= '0001-01-02 00:00:00+00'
    AND greatest(NEW.created_at, NEW.run_at, NEW.ordering_at, NEW.expires_at, NEW.redacted_at) <= '9999-12-30 00:00:00+00'
))
EXECUTE FUNCTION {{sp00ky_refuse_change}}()

-- trigger object: payloads that are no JSON object can be written
CREATE TRIGGER {{name}} AFTER UPDATE OF payload ON {{table}}
FOR EACH ROW
WHEN (json_typeof(NEW.payload) <> 'object')
EXECUTE FUNCTION {{sp00ky_refuse_new_row}}()

-- trigger new: rows that aren't a new job's can be inserted
-- What isn't compressed has the length that it takes: a claim knows that a payload is too long without reading it.
-- Of a table of 0.2 new pages have the room that others' have.
ALTER TABLE {{table}} ALTER COLUMN payload SET STORAGE EXTERNAL, SET (fillfactor = 50);
CREATE TRIGGER {{name}} BEFORE INSERT ON {{table}}
FOR EACH ROW
WHEN (NOT (
    -- Each INSERT parses this, which takes longer than to evaluate it. So it is short: it tells a plain row, of which
    -- the function needn't be asked. What is null is met, and the length of a long text is known without reading it.
    NEW.status = 'pending'
    AND (NEW.retries | NEW.priority) = 0
    AND NEW.lease_epoch = 0
    AND NEW.max_retries BETWEEN 0 AND 1000
    AND NEW.timeout > 0
    AND NEW.timeout < 'Infinity'
    AND json_typeof(NEW.payload) = 'object'
    AND num_nonnulls(
        NEW.result, NEW.lease_until, NEW.runner_id, NEW.deferred_since,
        NEW.ordering_key, NEW.ordering_at, NEW.expires_at, NEW.request_id, NEW.redacted_at, NEW.copied_from
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

-- function sp00ky_wake: idle runners find new jobs by polling only
CREATE OR REPLACE FUNCTION {{sp00ky_wake}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called once for each INSERT statement; PostgreSQL merges equal notifications of a transaction into one.
    -- Transactions that notify commit one after the other. So none does while a runner looks for jobs by itself: then it
    -- has the lock of this half second (`hold_notifications`). Nobody waits for a lock here. Who may not call the functions
    -- of advisory locks, which everybody may unless that was revoked, notifies always; to ask for one of them is enough.
DECLARE
    jobs constant text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    half constant bigint := floor(date_part('epoch', clock_timestamp()) * 2);
    key constant bigint := hashtextextended('sp00ky wake ' || jobs, half);
BEGIN
    IF NOT has_function_privilege('pg_try_advisory_lock_shared(bigint)'::regprocedure, 'EXECUTE') THEN
        PERFORM pg_notify('sp00ky', jobs);
    ELSIF (CASE WHEN pg_try_advisory_lock_shared(key) THEN pg_advisory_unlock_shared(key) END) THEN
        PERFORM pg_notify('sp00ky', jobs);
        -- Another transaction is about to notify: tell runners that transactions meet.
        IF NOT pg_try_advisory_xact_lock(hashtextextended('sp00ky wake ' || jobs, -1)) THEN
            PERFORM pg_notify('sp00ky_flow', jobs);
        END IF;
    END IF;
    RETURN NULL;
END
$function$

-- trigger wake: idle runners find new jobs by polling only
CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
FOR EACH STATEMENT
WHEN (current_setting('sp00ky.notify', true) IS DISTINCT FROM 'off')
EXECUTE FUNCTION {{sp00ky_wake}}()

-- dropped due, again, newest, held, leased: claims and retries maintain indexes that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- dropped path, retries, instants, deferred, steering, payload, max_retries, timeout: claims and settles read and evaluate more CHECKs
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped rules, payload, sp00ky_notify: each INSERT, claim and settle pays for what other triggers do
DROP TRIGGER IF EXISTS {{name}} ON {{table}}
