-- Numbers, groups, rollups, and what has changed.


-- name: stats
-- A table's numbers, of these rows.
SELECT
    count(*) FILTER (WHERE job.status = 'pending') AS pending,
    count(*) FILTER (WHERE job.status = 'pending' AND job.run_at <= now()) AS due,
    count(*) FILTER (WHERE job.status = 'processing') AS processing,
    {{success}} AS success,
    {{failed}} AS failed,
    count(*) FILTER (WHERE job.status = 'processing' AND {{lease_holds}} IS NOT TRUE) AS stalled,
    extract(
        epoch FROM now() - min(job.run_at) FILTER (WHERE job.status = 'pending' AND job.run_at <= now())
    )::float8 AS oldest_due_s,
    count(*) FILTER (WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL) AS deferred,
    extract(
        epoch FROM now() - min(greatest(least(job.deferred_since, now()), now() - interval '3650 days')) FILTER (
            WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL
        )
    )::float8 AS oldest_deferred_s
FROM {{rows}} AS job


-- name: first_rows
-- So many rows ($1) of each kind that hasn't ended: every part reads the beginning of an index, in its order.
(
    SELECT ready.*
    FROM (VALUES (3), (2), (1), (0)) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT job.* FROM ONLY {{table}} AS job
        WHERE job.status = 'pending' AND job.ordering_key IS NULL AND job.priority = level.priority
        ORDER BY job.run_at, job.id LIMIT $1
    ) AS ready
    UNION ALL (
        SELECT job.* FROM ONLY {{table}} AS job
        WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing') AND job.status = 'pending'
        ORDER BY job.ordering_key, job.ordering_at, job.id LIMIT $1
    )
    UNION ALL (
        SELECT job.* FROM ONLY {{table}} AS job
        WHERE job.status = 'processing' ORDER BY job.runner_id, job.lease_until LIMIT $1
    )
)


-- name: all_rows
-- Those that haven't ended: every part can be read by an index, however many rows have.
(
    SELECT job.* FROM ONLY {{table}} AS job WHERE job.status = 'pending' AND job.ordering_key IS NULL
    UNION ALL
    SELECT job.* FROM ONLY {{table}} AS job
    WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing') AND job.status = 'pending'
    UNION ALL
    SELECT job.* FROM ONLY {{table}} AS job WHERE job.status = 'processing'
)


-- name: all_ended
-- Counted in the index alone, where vacuum has been.
(
    SELECT count(*) FROM ONLY {{table}} AS job
    WHERE job.status IN ('success', 'failed') AND job.status = '{{status}}'
)


-- name: first_ended
(
    SELECT count(*)
    FROM (
        SELECT FROM ONLY {{table}} AS job
        WHERE job.status IN ('success', 'failed') AND job.status = '{{status}}' ORDER BY job.updated_at LIMIT $1
    ) AS first
)


-- name: stats_estimate
-- How many rows the planner expects: it knows without reading them.
EXPLAIN (FORMAT JSON) SELECT FROM ONLY {{table}} AS job WHERE {{condition}}


-- name: error_groups
-- Jobs of one table that are failed, or pending after a failed attempt, by their last error, and by what else they have in
-- common. The example is the job that
-- has the latest updated_at: the greatest pair of texts, which takes no memory for the others.
SELECT
    found.grouped, found.name, found.code, count(*) AS count,
    min(found.updated_at) AS first, max(found.updated_at) AS last,
    (max(ARRAY[to_char(found.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), found.id::text] COLLATE "C"))[2]
        AS example
FROM (
    SELECT
        job.id, job.grouped, job.updated_at, left(coalesce(job.entry ->> 'name', ''), 255) AS name,
        CASE WHEN job.entry ->> 'code' ~ '^[0-9]{1,9}$' THEN (job.entry ->> 'code')::int ELSE 0 END AS code
    FROM (
        SELECT job.id, {{grouped}} AS grouped, job.status, job.updated_at, {{entry}} AS entry
        FROM ONLY {{table}} AS job
        WHERE job.updated_at >= $1
          AND (job.status = 'failed' OR (job.status = 'pending' AND job.lease_epoch > 0))
          AND {{conditions}}
        OFFSET 0
    ) AS job
    WHERE job.status = 'failed' OR job.entry IS NOT NULL
) AS found
GROUP BY found.grouped, found.name, found.code
ORDER BY count(*) DESC, max(found.updated_at) DESC
LIMIT $2


-- name: changed
-- Rows that changed since an instant, each kind of change by an index of its own. (Both ends in one branch
-- would read the whole table before PostgreSQL 18: a list of statuses isn't looked up one by one.)
WITH changed AS (
    SELECT id FROM ONLY {{table}} WHERE status <> 'processing' AND created_at >= $1
    UNION
    SELECT id
    FROM ONLY {{table}}
    WHERE status = 'pending' AND (lease_epoch > 0 OR updated_at - created_at > interval '1 ms') AND updated_at >= $1
    UNION
    SELECT id FROM ONLY {{table}} WHERE status = 'processing' AND (updated_at >= $1 OR created_at >= $1)
    UNION
    SELECT id FROM ONLY {{table}} WHERE status = 'success' AND updated_at >= $1
    UNION
    SELECT id FROM ONLY {{table}} WHERE status = 'failed' AND updated_at >= $1
)
SELECT job.id::text, job.updated_at, job.lease_epoch, job.status
FROM ONLY {{table}} AS job
WHERE job.id = ANY (ARRAY(SELECT changed.id FROM changed)) AND {{conditions}}
ORDER BY job.updated_at, job.id


-- name: snapshot
-- The time, and the transactions whose writes may not be seen yet: each holds a lock on its own number. (A
-- snapshot's list leaves out those that are newer than every transaction that has ended.) Since when each runs: null
-- where this role may not see it.
SELECT
    clock_timestamp() AS at,
    coalesce(array_agg(held.transactionid::text), ARRAY[]::text[]) AS numbers,
    coalesce(array_agg(session.xact_start), ARRAY[]::timestamptz[]) AS starts
FROM pg_locks AS held
LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted


-- name: rollups
-- Rows of all runners, summed up by step ($4: its seconds; NULL: all in one), and by path where $5.
SELECT
    coalesce(to_timestamp(floor(extract(epoch FROM rollup.minute) / $4::bigint) * $4::bigint), $1::timestamptz) AS minute,
    rollup.backend,
    CASE WHEN $5::boolean THEN rollup.path ELSE '' END AS path,
    rollup.outcome,
    rollup.code,
    sum(rollup.count)::bigint AS count,
    sum(rollup.seconds_sum)::float8 AS seconds_sum,
    {{exact}} AS exact,
    {{rough}} AS rough
FROM {{rollup}} AS rollup
WHERE rollup.minute >= $1::timestamptz
  AND ($2::timestamptz IS NULL OR rollup.minute < $2::timestamptz)
  AND ($3::text IS NULL OR rollup.backend = $3::text)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
