-- Claims, probes, and when there will be more to claim.


-- name: claim_state
-- The pauses of operators that hold now, and the breakers that are not as if new; read once for all of a claim.
pauses AS MATERIALIZED (
    SELECT control.backend, control.paused_until
    FROM {{control}} AS control
    WHERE control.backend IN ({{backends}}) AND {{paused}}
),
breakers AS MATERIALIZED (
    SELECT breaker.*
    FROM {{breaker}} AS breaker
    WHERE breaker.backend IN ({{backends}})
      AND (breaker.state <> 'closed' OR breaker.failures <> 0 OR {{pause_end}} IS NOT NULL)
)


-- name: claim
-- One backend's share of a claim; `claim_statements.py` joins them with UNION ALL.
-- By ctid: the rows were locked a moment ago, so no index has to be asked again for where they are. One that
-- moved between this statement's snapshot and its lock isn't found, stays pending, and comes with the next claim.
-- The status is asked once more, in a way that no index answers: the index of pending rows would be searched for each.
-- The lease counts from when the row is written: the statement may have waited for a lock on the table.
{{share}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'processing',
        lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
        lease_until = clock_timestamp() + {{lease}} * interval '1 second',
        runner_id = $1,
        updated_at = clock_timestamp()
    WHERE job.ctid = ANY (ARRAY(SELECT due.place FROM ({{due}}) AS due))
      AND job.status || '' = 'pending'
    RETURNING {{returned}}
)


-- name: claim_ready
-- Jobs without an ordering key that are due, a higher priority first, then the oldest: scans of one index, one for each
-- priority, each begun only where those before it found too few. So what is due later costs nothing, however much it is.
SELECT ready.place, ready.priority, ready.run_at, ready.id
FROM (
    VALUES (3, {{since_3}}), (2, {{since_2}}), (1, {{since_1}}), (0, {{since_0}})
) AS level (priority, since)
CROSS JOIN LATERAL (
    SELECT due.ctid AS place, due.priority, due.run_at, due.id
    FROM ONLY {{table}} AS due
    WHERE due.status = 'pending'
      AND due.ordering_key IS NULL
      AND due.priority = level.priority
      AND due.run_at <= now()
      AND due.run_at >= level.since
      {{left_out}}
    ORDER BY due.run_at, due.id
    LIMIT {{limit}}
    {{locking}}
) AS ready
WHERE true {{heeding}}
LIMIT {{limit}}


-- name: claim_first_of_each_key
-- The first job that hasn't ended of each ordering key, for some keys after one: a skip scan of their index, which steps
-- over a key's other jobs, however many they are. Then those of them that can be claimed: due, while no other job of the
-- key is processing (a redrive may have put one before that), and no request of a lost or a killed one may be under way.
{{keys}} AS (
    SELECT 1 AS n, first.*
    FROM (
        SELECT job.ordering_key, job.ctid AS place, job.status, job.priority, job.run_at, job.id
        FROM ONLY {{table}} AS job
        WHERE job.status IN ('pending', 'processing') AND job.ordering_key > {{after}}
        ORDER BY job.ordering_key, job.ordering_at, job.id
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT keys.n + 1, next.*
    FROM {{keys}} AS keys
    CROSS JOIN LATERAL (
        SELECT job.ordering_key, job.ctid AS place, job.status, job.priority, job.run_at, job.id
        FROM ONLY {{table}} AS job
        WHERE job.status IN ('pending', 'processing') AND job.ordering_key > keys.ordering_key
        ORDER BY job.ordering_key, job.ordering_at, job.id
        LIMIT 1
    ) AS next
    WHERE keys.n < {{most}}
)


-- name: claim_heads
-- NOT IN is hashed, whatever kinds of joins the session allows.
SELECT keys.place, keys.priority, keys.run_at, keys.id
FROM {{keys}} AS keys
WHERE keys.status = 'pending'
  AND keys.run_at <= now()
  AND NOT EXISTS (
      SELECT FROM ONLY {{table}} AS held
      WHERE held.ordering_key = keys.ordering_key AND held.status = 'processing'
  )
  AND keys.ordering_key NOT IN (
      SELECT job.ordering_key FROM ONLY {{table}} AS job WHERE job.ordering_key IS NOT NULL AND {{leased}}
  )
  {{left_out}}


-- name: claim_merged
-- Jobs with and without ordering keys, a higher priority first, then the oldest.
SELECT either.place, either.priority, either.run_at, either.id
FROM (
    SELECT ready.* FROM ({{ready}}) AS ready
    UNION ALL
    SELECT locked.*
    FROM (
        SELECT head.*
        FROM ({{heads}}) AS head
        JOIN ONLY {{table}} AS job ON job.ctid = head.place
        WHERE job.status || '' = 'pending' {{heeding}}
        ORDER BY head.priority DESC, head.run_at, head.id
        LIMIT {{limit}}
        {{locking_job}}
    ) AS locked
) AS either
ORDER BY either.priority DESC, either.run_at, either.id
LIMIT {{limit}}


-- name: claim_has_keys
-- A row if there are jobs with an ordering key.
{{keys}} AS MATERIALIZED (
    SELECT 1
    FROM ONLY {{table}} AS job
    WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing')
    LIMIT 1
)


-- name: claim_keys_seen
-- How many ordering keys this claim has looked at, and the last of them.
SELECT
    -4, NULL,
    json_build_object('backend', {{backend}}::text, 'keys', count(*), 'last', max(keys.ordering_key))::text,
    {{nulls}}
FROM {{keys}} AS keys


-- name: claim_keyed_marker
-- Whether there are jobs with an ordering key: then this claim has taken none, and another one takes both kinds.
SELECT -4, NULL, json_build_object('backend', {{backend}}::text)::text, {{nulls}} FROM {{keys}}


-- name: claim_heeding
AND NOT EXISTS (SELECT FROM pauses WHERE pauses.backend = {{backend}})


-- name: claim_heeding_keys
-- What has an ordering key may come first: the claim that knows of it takes both kinds.
AND NOT EXISTS (SELECT FROM {{keys}})


-- name: claim_heeding_breaker
AND NOT EXISTS (
    SELECT FROM breakers AS breaker
    WHERE breaker.backend = {{backend}} AND (breaker.state <> 'closed' OR {{pause_end}} IS NOT NULL)
)


-- name: claim_paused
-- The pauses, in the columns of a claim's rows.
SELECT
    -3, NULL,
    json_build_object('backend', pauses.backend, 'seconds', extract(epoch FROM pauses.paused_until - now()))::text,
    {{nulls}}
FROM pauses


-- name: claim_breakers
-- The breakers, in the columns of a claim's rows; by the same snapshot as the claim.
-- -2: one that is open, and something is due that could be its probe; -1: any other.
SELECT CASE WHEN breaker.state <> 'closed' AND ({{may_probe}}) THEN -2 ELSE -1 END, NULL, {{breaker_read}}, {{nulls}}
FROM breakers AS breaker


-- name: claim_may_probe
-- Whether a breaker is that of a backend which has something due.
breaker.backend = {{backend}} AND (
    {{keyed}} OR EXISTS (
        SELECT FROM ONLY {{table}} AS due
        WHERE due.status = 'pending' AND due.ordering_key IS NULL
          AND due.priority = ANY ('{0,1,2,3}'::int[]) AND due.run_at <= now() {{left_out}}
    )
)


-- name: heeding_pause
AND NOT EXISTS (SELECT FROM {{control}} AS control WHERE control.backend = {{backend}} AND {{paused}})


-- name: unpaused
-- Neither is the backend paused, nor is its probe under way.
AND NOT EXISTS (
    SELECT FROM {{breaker}} AS breaker
    WHERE breaker.backend = {{backend}}
      AND ({{pause_end}} IS NOT NULL OR breaker.state <> 'closed' AND {{probe_end}} IS NOT NULL)
)


-- name: probe
-- One backend's probe: of the jobs that are due longest, and of those that became due last, the routes take turns, after
-- each failure ($3) the next one; those without a job that has retries left only at a risk's turn ($4), or where there
-- are no others. Of two runners that come at once the second waits for the breaker's row, finds the probe taken, and
-- changes nothing.
-- Those that are due are found by their index and then read by ctid. That they are pending still is asked of
-- their latest version alone, in a way that no index answers: that index, searched once for each of them, is quadratic.
WITH RECURSIVE {{all_keys}}places AS MATERIALIZED (
    SELECT ARRAY(SELECT due.place FROM ({{due}}) AS due UNION {{latest}}) AS places
), route AS MATERIALIZED (
    SELECT job.path, bool_or(job.retries < job.max_retries) AS spare
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[])
      AND job.status || '' = 'pending'
      AND job.path = ANY ($2::text[])
    GROUP BY job.path
), fit AS (
    SELECT route.path, CASE WHEN route.spare = kinds.spare THEN $3::integer ELSE $4::integer END AS turn
    FROM route, (SELECT bool_or(route.spare) AS spare, bool_and(route.spare) AS alike FROM route) AS kinds
    WHERE route.spare = (kinds.spare AND (kinds.alike OR $4::integer IS NULL))
), in_turn AS (
    SELECT fit.path
    FROM fit
    ORDER BY fit.path COLLATE "C"
    LIMIT 1
    OFFSET (SELECT greatest(max(fit.turn), 0) % greatest(count(*), 1) FROM fit)
), chosen AS (
    SELECT job.id
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[])
      AND job.status || '' = 'pending'
    ORDER BY
        coalesce(job.path = (SELECT in_turn.path FROM in_turn), false) DESC,
        coalesce(job.path = ANY ($2::text[]), false) DESC, job.retries < job.max_retries DESC,
        job.priority DESC, job.run_at, job.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), breaker AS (
    UPDATE {{breaker}} AS breaker
    SET probe_runner = $1, probe_until = clock_timestamp() + {{probe_lease}} * interval '1 second'
    WHERE breaker.backend = {{backend}}
      AND breaker.state <> 'closed'
      AND {{pause_end}} IS NULL
      AND {{probe_end}} IS NULL
      AND EXISTS (SELECT FROM chosen)
      {{heeding}}
    RETURNING breaker.*
), probe AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'processing',
        lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
        lease_until = clock_timestamp() + {{lease}} * interval '1 second',
        runner_id = $1,
        updated_at = clock_timestamp()
    FROM chosen
    WHERE job.id = chosen.id AND job.status || '' = 'pending' AND EXISTS (SELECT FROM breaker)
    RETURNING {{returned}}
)
TABLE probe
UNION ALL
SELECT -1, NULL, {{breaker_read}}, {{nulls}} FROM breaker


-- name: probe_latest
-- The jobs without an ordering key that became due last, of each priority.
SELECT latest.place
FROM (VALUES (3), (2), (1), (0)) AS level (priority)
CROSS JOIN LATERAL (
    SELECT due.ctid AS place
    FROM ONLY {{table}} AS due
    WHERE due.status = 'pending'
      AND due.ordering_key IS NULL
      AND due.priority = level.priority
      AND due.run_at <= now()
      {{left_out}}
    ORDER BY due.run_at DESC, due.id DESC
    LIMIT {{limit}}
) AS latest


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
            WHERE job.status = 'pending' AND job.ordering_key IS NULL AND job.priority = level.priority {{left_out}}
            ORDER BY job.run_at
            LIMIT 1
        ) AS ready
        {{after_leases}}
        UNION ALL
        (
            WITH RECURSIVE {{all_keys}}
            SELECT greatest(
                keys.run_at,
                (SELECT max(job.lease_until) FROM ONLY {{table}} AS job WHERE job.ordering_key = keys.ordering_key AND {{leased}})
            )
            FROM {{keys}} AS keys
            WHERE keys.status = 'pending'
              AND NOT EXISTS (
                  SELECT FROM ONLY {{table}} AS held
                  WHERE held.ordering_key = keys.ordering_key AND held.status = 'processing'
              )
              {{keys_left_out}}
        )
    ) AS due
    WHERE true {{unpaused}}
    HAVING min(due.run_at) IS NOT NULL
)


-- name: next_after_leases
-- Of lost jobs without an ordering key: a claim takes them no earlier, where what is in flight is counted.
UNION ALL
SELECT greatest(job.run_at, job.lease_until)
FROM ONLY {{table}} AS job
WHERE job.status = 'pending' AND job.ordering_key IS NULL AND {{leased}} {{left_out}}


-- name: claim_refusal_trial_rows
-- The rows that a claim would take.
WITH RECURSIVE {{all_keys}}
SELECT due.id FROM ({{due}}) AS due


-- name: claim_refusal_trial
-- What a claim would write to one row; rolled back in any case.
UPDATE ONLY {{table}} AS job
SET status = 'processing',
    lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
    lease_until = now() + interval '1 second',
    runner_id = 'trial',
    updated_at = clock_timestamp()
WHERE job.id = $1
