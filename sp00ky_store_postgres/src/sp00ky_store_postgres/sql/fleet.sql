-- Signs of life, and connections that have fallen silent.


-- name: beat
-- A runner's sign of life, and everybody's last one. Those who have been silent for a day are removed; a row that
-- another beat removes just now is left to it, so that no beat waits for another.
WITH own AS (
    INSERT INTO {{runner}} AS runner (id, host, pid, version, documents, in_flight, slots, draining)
    VALUES ($1, $2, $3, $4::text, $5::text::json, $6::text::json, $7::text::json, $8::boolean)
    ON CONFLICT (id) DO UPDATE
    SET beat_at = clock_timestamp(), version = excluded.version, documents = excluded.documents,
        in_flight = excluded.in_flight, slots = excluded.slots, draining = runner.draining OR excluded.draining
    RETURNING runner.*
), gone AS (
    DELETE FROM {{runner}} AS runner
    WHERE runner.id = ANY (ARRAY(
        SELECT silent.id FROM {{runner}} AS silent
        WHERE silent.beat_at < now() - interval '1 day' AND silent.id <> $1
        FOR UPDATE SKIP LOCKED
    ))
)
SELECT {{runner_columns}} FROM own AS runner
UNION ALL
SELECT {{runner_columns}} FROM {{runner}} AS runner
WHERE runner.id <> $1 AND runner.beat_at >= now() - interval '1 day'


-- name: runner_columns
runner.id, runner.beat_at, runner.version, runner.documents::text, runner.in_flight::text, runner.slots::text,
runner.draining


-- name: at_work
-- Which of these sessions are at a statement, or wait for a lock; one that waits for its client is not.
SELECT session.pid
FROM pg_stat_activity AS session
WHERE session.pid = ANY($1::integer[])
    AND session.usename = session_user
    AND session.state = 'active'
    AND session.wait_event_type IS DISTINCT FROM 'Client'


-- name: bound
-- The server gives a statement up itself, where its client is gone without a word. A role's own bound stays if it is tighter.
SELECT set_config('statement_timeout', $1::text, false)
WHERE current_setting('statement_timeout')::interval = interval '0'
   OR current_setting('statement_timeout')::interval > $1::text::interval


-- name: hold_notifications
-- Locks that keep the trigger of these tables (`sp00ky_wake`) from notifying until the end of the next half second; for how
-- many seconds. Where another session has one, that does as well. Who gets the next half second's tells the others; runners
-- of releases before know the channel `sp00ky` only.
WITH instant AS MATERIALIZED (
    SELECT date_part('epoch', clock_timestamp()) * 2 AS halves
), tried AS MATERIALIZED (
    SELECT lock.key, ahead.halves AS ahead, jobs.name, pg_try_advisory_lock(lock.key) AS got
    FROM instant
    CROSS JOIN unnest($1::text[]) AS jobs (name)
    CROSS JOIN generate_series(0, 1) AS ahead (halves)
    CROSS JOIN LATERAL (
        SELECT hashtextextended('sp00ky wake ' || jobs.name, floor(instant.halves)::bigint + ahead.halves) AS key
    ) AS lock
)
SELECT
    (floor(instant.halves) + 2 - instant.halves) / 2 AS seconds,
    ARRAY(SELECT tried.key FROM tried WHERE tried.got) AS locks,
    (
        SELECT count(pg_notify('sp00ky', tried.name)) + count(pg_notify($2, tried.name || $3))
        FROM tried
        WHERE tried.got AND tried.ahead = 1
    ) AS told
FROM instant


-- name: let_notify
-- Lets go of such locks.
SELECT pg_advisory_unlock(key) FROM unnest($1::bigint[]) AS key
