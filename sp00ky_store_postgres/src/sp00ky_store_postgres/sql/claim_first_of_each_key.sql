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
