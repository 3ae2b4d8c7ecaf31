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
