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
    SELECT count(*) AS jobs, count(*) FILTER (WHERE {{over}}) AS stalled
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
