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

-- dropped sp00ky_notify: each transaction that enqueues notifies, and they commit one after the other
DROP TRIGGER IF EXISTS {{name}} ON {{table}}
