-- Claims, probes, what keeps jobs from being claimed, and when there will be more to claim.


-- name: claim
-- Due jobs of all backends. Its arguments are the runner; then of each table the limit, where each priority's scan
-- begins, and, of one with ordering keys, the key after which is looked. A row is a job, or says beside it, as JSON, what
-- there is of a backend: `keys`, what is known of its ordering keys; `pause`, an operator's; `breaker`, if it isn't as if
-- new, and whether it is open while something is due that could be its probe.
WITH RECURSIVE {{shares}}
{{rows}}
UNION ALL
SELECT
    {{no_job}},
    json_build_object(
        'backend', control.backend,
        'pause', json_build_object('seconds', extract(epoch FROM control.paused_until - now()))
    )::text
FROM {{control}} AS control
WHERE control.backend IN ({{backends}}) AND {{paused}}
UNION ALL
SELECT
    {{no_job}},
    json_build_object(
        'backend', breaker.backend,
        'breaker', {{breaker_read}},
        'may_probe', breaker.state <> 'closed' AND ({{may_probe}})
    )::text
FROM {{breaker}} AS breaker
WHERE breaker.backend IN ({{backends}})
  AND (breaker.state <> 'closed' OR breaker.failures <> 0 OR {{pause_end}} IS NOT NULL)
UNION ALL
SELECT {{no_job}}, NULL WHERE {{unflushed}}


-- name: unflushed
-- Adds no row, but lets this claim's commit not wait for the disk, where no promise hangs on it: the settle's commit
-- brings it there. A crash of the server before that forgets the claim, so the request is repeated. PostgreSQL reads the
-- setting when it commits. One that waits for a standby stays as the operator has set it.
CASE
    WHEN current_setting('synchronous_commit') IN ('on', 'local') AND NOT EXISTS (
        SELECT FROM ({{claimed_shares}}) AS claimed
        WHERE (claimed.retries < claimed.max_retries AND claimed.ordering_key IS NULL) IS NOT TRUE
    )
    THEN set_config('synchronous_commit', 'off', true)
END = ''


-- name: share
-- One backend's share of a claim.
-- By ctid: the rows were locked a moment ago, so no index has to be asked again for where they are. One that
-- moved between this statement's snapshot and its lock isn't found, stays pending, and comes with the next claim.
-- The status is asked once more, in a way that no index answers: the index of pending rows would be searched for each.
{{keys}},
share_{{number}} AS (
    UPDATE ONLY {{table}} AS job
    SET {{claimed}}
    WHERE job.ctid = ANY (ARRAY(SELECT due.place FROM ({{due}}) AS due))
      AND job.status || '' = 'pending'
    RETURNING {{returned}}
)


-- name: any_key
-- Of jobs without an ordering key: if there is one with a key, that may come first. Then a share takes none, and the
-- claim that knows of it takes both kinds.
keys_{{number}} AS MATERIALIZED (
    SELECT 1 FROM ONLY {{table}} AS job
    WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing')
    LIMIT 1
)


-- name: any_key_rows
SELECT {{no_job}}, json_build_object('backend', {{backend}}::text, 'keys', json_build_object())::text FROM keys_{{number}}


-- name: first_of_each_key_rows
-- How many ordering keys this claim has looked at, and the last of them.
SELECT
    {{no_job}},
    json_build_object(
        'backend', {{backend}}::text,
        'keys', json_build_object('looked_at', max(keys.n), 'last', max(keys.ordering_key))
    )::text
FROM keys_{{number}} AS keys


-- name: claimed
-- The lease counts from when the row is written: the statement may have waited for a lock on the table.
status = 'processing',
lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
lease_until = clock_timestamp() + {{lease}} * interval '1 second',
runner_id = $1,
updated_at = clock_timestamp(),
claimed_max_retries = job.max_retries


-- name: ready
-- Jobs without an ordering key that are due, a higher priority first, then the oldest: scans of one index, one for each
-- priority, each begun only where those before it found too few. So what is due later costs nothing, however much it is.
SELECT ready.place, ready.priority, ready.run_at, ready.id
FROM (VALUES {{levels}}) AS level (priority, since)
CROSS JOIN LATERAL (
    SELECT job.ctid AS place, job.priority, job.run_at, job.id
    FROM ONLY {{table}} AS job
    WHERE job.status = 'pending'
      AND job.ordering_key IS NULL
      AND job.priority = level.priority
      AND job.run_at <= now()
      AND job.run_at >= level.since
      {{set_aside}}
    ORDER BY job.run_at, job.id
    LIMIT {{limit}}
    FOR NO KEY UPDATE SKIP LOCKED
) AS ready
WHERE true {{claimable}}
LIMIT {{limit}}


-- name: ready_and_heads
-- Jobs with and without ordering keys, a higher priority first, then the oldest. Of those with a key the first of each
-- counts, if it is due, while no other job of the key is processing (a retry may have put one before that), and no
-- request of a lost or a killed one may be under way. NOT IN is hashed, whatever kinds of joins the session allows.
SELECT either.place, either.priority, either.run_at, either.id
FROM (
    SELECT ready.* FROM ({{ready}}) AS ready
    UNION ALL
    SELECT locked.*
    FROM (
        SELECT head.place, head.priority, head.run_at, head.id
        FROM (
            SELECT keys.*
            FROM keys_{{number}} AS keys
            WHERE {{key_is_free}}
              AND keys.run_at <= now()
              AND keys.ordering_key NOT IN (
                  SELECT job.ordering_key FROM ONLY {{table}} AS job WHERE job.ordering_key IS NOT NULL AND {{leased}}
              )
              {{left_out}}
        ) AS head
        JOIN ONLY {{table}} AS job ON job.ctid = head.place
        WHERE job.status || '' = 'pending' {{claimable}}
        ORDER BY head.priority DESC, head.run_at, head.id
        LIMIT {{limit}}
        FOR NO KEY UPDATE OF job SKIP LOCKED
    ) AS locked
) AS either
ORDER BY either.priority DESC, either.run_at, either.id
LIMIT {{limit}}


-- name: first_of_each_key
-- The first job that hasn't ended of each ordering key, for some keys after one: a skip scan of their index, which steps
-- over a key's other jobs, however many they are. Its first row is none of them, and has their columns' collations.
keys_{{number}} AS (
    SELECT 0 AS n, coalesce({{after}}, none.ordering_key) AS ordering_key, NULL::tid AS place, none.status, none.priority,
        none.run_at, none.id
    FROM (SELECT (NULL::{{table}}).*) AS none
    UNION ALL
    SELECT keys.n + 1, next.*
    FROM keys_{{number}} AS keys
    CROSS JOIN LATERAL (
        SELECT job.ordering_key, job.ctid AS place, job.status, job.priority, job.run_at, job.id
        FROM ONLY {{table}} AS job
        WHERE job.status IN ('pending', 'processing') AND job.ordering_key > keys.ordering_key
        ORDER BY job.ordering_key, job.ordering_at, job.id
        LIMIT 1
    ) AS next
    WHERE keys.n < {{most_keys}}
)


-- name: key_is_free
keys.status = 'pending'
AND NOT EXISTS (
    SELECT FROM ONLY {{table}} AS held WHERE held.ordering_key = keys.ordering_key AND held.status = 'processing'
)


-- name: may_probe
-- Whether a breaker is that of a backend which has something due. Whether a job with an ordering key could be the probe
-- is for the probe itself to find out.
breaker.backend = {{backend}} AND (
    {{is_keyed}} OR EXISTS (
        SELECT FROM ONLY {{table}} AS job
        WHERE job.status = 'pending' AND job.ordering_key IS NULL
          AND job.priority = ANY ('{0,1,2,3}'::int[]) AND job.run_at <= now() {{set_aside}}
    )
)


-- name: next_due
-- One table's next due time, in seconds from now. Of the jobs with an ordering key those that are the first of theirs
-- count, for so many keys as a claim looks at; of one that is being processed none does.
(
    SELECT extract(epoch FROM min(due.run_at) - now())::float8 AS seconds
    FROM (
        SELECT ready.run_at
        FROM (VALUES (3), (2), (1), (0)) AS level (priority)
        CROSS JOIN LATERAL (
            SELECT job.run_at
            FROM ONLY {{table}} AS job
            WHERE job.status = 'pending' AND job.ordering_key IS NULL AND job.priority = level.priority {{set_aside}}
            ORDER BY job.run_at
            LIMIT 1
        ) AS ready
        {{after_leases}}
        UNION ALL
        (
            WITH RECURSIVE {{first_of_each_key}}
            SELECT greatest(
                keys.run_at,
                (SELECT max(job.lease_until) FROM ONLY {{table}} AS job WHERE job.ordering_key = keys.ordering_key AND {{leased}})
            )
            FROM keys_{{number}} AS keys
            WHERE {{key_is_free}} {{left_out}}
        )
    ) AS due
    WHERE true {{claimable}}
    HAVING min(due.run_at) IS NOT NULL
)


-- name: next_after_leases
-- Of lost jobs without an ordering key: a claim takes them no earlier, where what is in flight is counted.
UNION ALL
SELECT greatest(job.run_at, job.lease_until)
FROM ONLY {{table}} AS job
WHERE job.status = 'pending' AND job.ordering_key IS NULL AND {{leased}} {{left_out}}


-- name: claimable
-- Neither is a backend paused, by an operator or by its breaker, nor, while that is open, is it held.
AND NOT EXISTS (SELECT FROM {{control}} AS control WHERE control.backend = {{backend}} AND {{paused}})
AND NOT EXISTS (
    SELECT FROM {{breaker}} AS breaker
    WHERE {{has_breaker}} AND breaker.backend = {{backend}}
      AND ({{pause_end}} IS NOT NULL OR breaker.state <> 'closed' AND {{is_held}})
)


-- name: is_held
{{probe_end}} IS NOT NULL


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
    'state', CASE
        WHEN breaker.state = 'closed' THEN 'closed'
        WHEN {{probe_end}} IS NOT NULL THEN 'half_open'
        ELSE 'open'
    END,
    'failures', breaker.failures,
    'paused_for', coalesce(extract(epoch FROM {{pause_end}} - now()), 0),
    'probe_runner', breaker.probe_runner,
    'probe_for', coalesce(extract(epoch FROM {{probe_end}} - now()), 0)
)


-- name: control_lock
-- A backend's row, locked; no row where another claim has it, or where there is none yet.
SELECT {{control_read}}
FROM {{control}} AS control
WHERE control.backend = $1
FOR NO KEY UPDATE SKIP LOCKED


-- name: control_make
INSERT INTO {{control}} AS control (backend) VALUES ($1) ON CONFLICT DO NOTHING RETURNING {{control_read}}


-- name: control_read
-- With the database's clock. A runner that is stopped in this transaction would stop the backend for the whole fleet.
control.tokens, control.tokens_at, clock_timestamp() AS now,
set_config('idle_in_transaction_session_timeout', '5000', true)


-- name: control_take
UPDATE {{control}} AS control SET tokens = $2, tokens_at = $3 WHERE control.backend = $1 RETURNING control.backend


-- name: in_flight
-- Requests that may be under way: of jobs that are processing, and of those that were lost or killed until their lease ends.
SELECT
    (SELECT count(*) FROM ONLY {{table}} AS job WHERE job.status = 'processing')
    + (SELECT count(*) FROM ONLY {{table}} AS job WHERE {{leased}})


-- name: leased
-- Whether a request of an attempt that was lost or killed may still be under way.
(job.status <> 'processing' AND {{lease_holds}})


-- name: lease_holds
-- Whether a row's lease hasn't run out, and is one that a claim can have written: it raised the epoch, and the lease ends
-- no later than any of the table's.
(
    job.lease_until > now()
    AND job.lease_epoch > 0
    AND job.lease_until <= now() + {{longest_lease}} * interval '1 second'
)
