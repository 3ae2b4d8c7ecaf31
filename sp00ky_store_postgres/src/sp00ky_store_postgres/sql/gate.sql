-- What keeps jobs from being claimed: pauses, breakers, limits, leases.


-- name: paused
-- Whether an operator's pause holds now.
(control.paused AND (control.paused_until IS NULL OR control.paused_until > now()))


-- name: pause_end
-- When a breaker's pause ends; NULL: it has none, or it is over. One that lasts longer than any was written while this
-- clock was ahead, or by a client, and counts as over.
CASE
    WHEN breaker.paused_until > now() AND breaker.paused_until <= now() + {{longest_pause}} * interval '1 second'
    THEN breaker.paused_until
END


-- name: probe_end
-- When the lease of a breaker's probe ends; NULL: there is none, or it is over. As with pauses none is too long.
CASE
    WHEN breaker.probe_until > now() AND breaker.probe_until <= now() + {{longest_probe}} * interval '1 second'
    THEN breaker.probe_until
END


-- name: breaker_read
-- A breaker as JSON, by the database's clock; `fleet/breaker.py` reads it.
json_build_object(
    'backend', breaker.backend,
    'state', CASE
        WHEN breaker.state = 'closed' THEN 'closed'
        WHEN {{probe_end}} IS NOT NULL THEN 'half_open'
        ELSE 'open'
    END,
    'failures', breaker.failures,
    'paused_for', coalesce(extract(epoch FROM {{pause_end}} - now()), 0),
    'probe_runner', breaker.probe_runner,
    'probe_for', coalesce(extract(epoch FROM {{probe_end}} - now()), 0)
)::text


-- name: control_lock
-- A backend's row, locked; no row where another claim has it, or where there is none yet. With the database's clock.
SELECT
    control.tokens,
    control.tokens_at,
    clock_timestamp() AS now,
    -- A runner that is stopped in this transaction would stop the backend for the whole fleet.
    set_config('idle_in_transaction_session_timeout', '5000', true)
FROM {{control}} AS control
WHERE control.backend = $1
FOR NO KEY UPDATE SKIP LOCKED


-- name: control_make
INSERT INTO {{control}} AS control (backend) VALUES ($1) ON CONFLICT DO NOTHING RETURNING control.backend


-- name: control_take
UPDATE {{control}} AS control SET tokens = $2, tokens_at = $3 WHERE control.backend = $1 RETURNING control.backend


-- name: in_flight
-- Requests that may be under way: of jobs that are processing, and of those that were lost or killed until their lease ends.
SELECT
    (SELECT count(*) FROM ONLY {{table}} AS job WHERE job.status = 'processing')
    + (SELECT count(*) FROM ONLY {{table}} AS job WHERE {{leased}})


-- name: leased
-- Whether a request of an attempt that was lost or killed may still be under way; a lease that no claim can have written
-- counts as run out.
(
    job.status <> 'processing'
    AND job.lease_until > now()
    AND job.lease_epoch > 0
    AND job.lease_until <= now() + {{longest_lease}} * interval '1 second'
)


-- name: lease_over
-- Whether a row's lease has run out, is missing, or is none that a claim can have written: it raised the epoch, and the
-- lease ends no later than any of the table's.
(
    {{row}}.lease_until IS NULL
    OR {{row}}.lease_until <= now()
    OR {{row}}.lease_epoch <= 0
    OR {{row}}.lease_until > now() + {{longest_lease}} * interval '1 second'
)
