-- For how many seconds a job has been due while no runner beats; no row: none is due, or a runner is alive.
-- Of the jobs with an ordering key one is looked at: the first of the first key.
SELECT greatest(extract(epoch FROM now() - min(due.run_at)), 0)::bigint AS seconds
FROM (
    SELECT ready.run_at
    FROM (VALUES (3), (2), (1), (0)) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT job.run_at
        FROM ONLY {{table}} AS job
        WHERE job.status = 'pending' AND job.ordering_key IS NULL AND job.priority = level.priority
        ORDER BY job.run_at
        LIMIT 1
    ) AS ready
    UNION ALL
    SELECT head.run_at
    FROM (
        SELECT job.run_at, job.status
        FROM ONLY {{table}} AS job
        WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing')
        ORDER BY job.ordering_key, job.ordering_at, job.id
        LIMIT 1
    ) AS head
    WHERE head.status = 'pending'
) AS due
WHERE due.run_at <= now()
  AND NOT EXISTS (SELECT FROM {{runner}} AS runner WHERE runner.beat_at > now() - interval '10 seconds')
HAVING min(due.run_at) IS NOT NULL
