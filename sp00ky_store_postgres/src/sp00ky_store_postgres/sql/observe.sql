-- Numbers, groups, rollups, and what has changed.


-- name: stats
SELECT
    count(*) FILTER (WHERE job.status = 'pending') AS pending,
    count(*) FILTER (WHERE job.status = 'pending' AND job.run_at <= now()) AS due,
    count(*) FILTER (WHERE job.status = 'processing') AS processing,
    count(*) FILTER (WHERE job.status = 'success') AS success,
    count(*) FILTER (WHERE job.status = 'failed') AS failed,
    count(*) FILTER (
        WHERE job.status = 'processing' AND {{lease_over}}
    ) AS stalled,
    extract(
        epoch FROM now() - min(job.run_at) FILTER (WHERE job.status = 'pending' AND job.run_at <= now())
    )::float8 AS oldest_due_s,
    count(*) FILTER (WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL) AS deferred,
    extract(
        epoch FROM now() - min(greatest(least(job.deferred_since, now()), now() - interval '3650 days')) FILTER (
            WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL
        )
    )::float8 AS oldest_deferred_s
FROM ONLY {{table}} AS job


-- name: depth
-- One table's numbers, each up to a limit ($1): every part reads the beginning of an index, in its order.
WITH pending AS (
    SELECT part.*
    FROM (VALUES (3), (2), (1), (0)) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT {{pending_numbers}}
        FROM (
            SELECT job.run_at, job.deferred_since
            FROM ONLY {{table}} AS job
            WHERE job.status = 'pending' AND job.ordering_key IS NULL AND job.priority = level.priority
            ORDER BY job.run_at, job.id
            LIMIT $1
        ) AS ready
    ) AS part
    UNION ALL
    SELECT {{pending_numbers}}
    FROM (
        SELECT job.run_at, job.deferred_since
        FROM ONLY {{table}} AS job
        WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing') AND job.status = 'pending'
        ORDER BY job.ordering_key, job.ordering_at, job.id
        LIMIT $1
    ) AS keyed
),
processing AS (
    SELECT count(*) AS jobs, count(*) FILTER (WHERE {{lease_over}}) AS stalled
    FROM (
        SELECT job.lease_until, job.lease_epoch
        FROM ONLY {{table}} AS job
        WHERE job.status = 'processing'
        ORDER BY job.runner_id, job.lease_until
        LIMIT $1
    ) AS job
),
ended AS (
    SELECT status.name, part.jobs
    FROM (VALUES ('success'), ('failed')) AS status (name)
    CROSS JOIN LATERAL (
        SELECT count(*) AS jobs
        FROM (
            SELECT FROM ONLY {{table}} AS job
            WHERE job.status IN ('success', 'failed') AND job.status = status.name
            ORDER BY job.updated_at
            LIMIT $1
        ) AS found
    ) AS part
)
SELECT
    least(sum(pending.jobs), $1)::bigint AS pending,
    least(sum(pending.due), $1)::bigint AS due,
    (SELECT jobs FROM processing) AS processing,
    (SELECT jobs FROM ended WHERE name = 'success') AS success,
    (SELECT jobs FROM ended WHERE name = 'failed') AS failed,
    (SELECT stalled FROM processing) AS stalled,
    extract(epoch FROM now() - min(pending.oldest_due))::float8 AS oldest_due_s,
    least(sum(pending.deferred), $1)::bigint AS deferred,
    extract(epoch FROM now() - min(pending.oldest_deferred))::float8 AS oldest_deferred_s
FROM pending


-- name: pending_numbers
-- The numbers of some pending jobs.
count(*) AS jobs,
count(*) FILTER (WHERE run_at <= now()) AS due,
min(run_at) FILTER (WHERE run_at <= now()) AS oldest_due,
count(deferred_since) AS deferred,
min(greatest(least(deferred_since, now()), now() - interval '3650 days')) FILTER (
    WHERE deferred_since IS NOT NULL
) AS oldest_deferred


-- name: depth_estimate
-- How many rows the planner expects: it knows without reading them.
EXPLAIN (FORMAT JSON) SELECT FROM ONLY {{table}} AS job WHERE {{condition}}


-- name: error_groups
-- Jobs of one table that are failed, or pending after a failed attempt, by their last error. The example is the job that
-- has the latest updated_at: the greatest pair of texts, which takes no memory for the others.
SELECT
    found.path, found.name, found.code, count(*) AS count,
    min(found.updated_at) AS first, max(found.updated_at) AS last,
    (max(ARRAY[to_char(found.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), found.id::text] COLLATE "C"))[2]
        AS example
FROM (
    SELECT
        job.id, job.path, job.updated_at, left(coalesce(job.entry ->> 'name', ''), 255) AS name,
        CASE WHEN job.entry ->> 'code' ~ '^[0-9]{1,9}$' THEN (job.entry ->> 'code')::int ELSE 0 END AS code
    FROM (
        SELECT job.id, {{path}} AS path, job.status, job.updated_at, {{entry}} AS entry
        FROM ONLY {{table}} AS job
        WHERE job.updated_at >= $1
          AND (job.status = 'failed' OR (job.status = 'pending' AND job.lease_epoch > 0))
        OFFSET 0
    ) AS job
    WHERE job.status = 'failed' OR job.entry IS NOT NULL
) AS found
GROUP BY found.path, found.name, found.code
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
SELECT {{columns}}
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


-- name: rollups_read
-- Rows of all runners, summed up by step ($4: its seconds; NULL: all in one), and by path where $5.
SELECT
    CASE
        WHEN $4::bigint IS NULL THEN $1::timestamptz
        ELSE to_timestamp(floor(extract(epoch FROM rollup.minute) / $4::bigint) * $4::bigint)
    END AS minute,
    rollup.backend,
    CASE WHEN $5::boolean THEN rollup.path ELSE '' END AS path,
    rollup.outcome,
    rollup.code,
    sum(rollup.count)::bigint AS count,
    sum(rollup.seconds_sum)::float8 AS seconds_sum,
    {{buckets}} AS buckets
FROM {{rollup}} AS rollup
WHERE rollup.minute >= $1::timestamptz
  AND ($2::timestamptz IS NULL OR rollup.minute < $2::timestamptz)
  AND ($3::text IS NULL OR rollup.backend = $3::text)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5


-- name: rollups_fold
-- Minutes older than $1 seconds become part of their hours. The rows that are deleted are locked: none counts twice.
WITH old AS (
    DELETE FROM {{rollup}} AS rollup
    WHERE (rollup.minute, rollup.runner_id, rollup.backend, rollup.path, rollup.outcome, rollup.code) IN (
        SELECT minute, runner_id, backend, path, outcome, code
        FROM {{rollup}}
        WHERE minute < to_timestamp(floor(extract(epoch FROM now() - $1::float8 * interval '1 second') / 3600) * 3600)
          AND runner_id <> ''
        ORDER BY minute, runner_id, backend, path, outcome, code
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING rollup.*
),
hours AS (
    INSERT INTO {{rollup}} AS hour (minute, backend, path, outcome, code, count, seconds_sum, buckets)
    SELECT
        to_timestamp(floor(extract(epoch FROM rollup.minute) / 3600) * 3600), rollup.backend, rollup.path,
        rollup.outcome, rollup.code, sum(rollup.count), sum(rollup.seconds_sum), {{buckets}}
    FROM old AS rollup
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (minute, runner_id, backend, path, outcome, code) DO UPDATE
    SET count = hour.count + excluded.count,
        seconds_sum = hour.seconds_sum + excluded.seconds_sum,
        buckets = {{added}}
)
SELECT count(*)::integer FROM old
