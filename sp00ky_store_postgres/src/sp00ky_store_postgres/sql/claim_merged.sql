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
