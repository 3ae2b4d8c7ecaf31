-- By ctid, for rows that were just locked; what another transaction holds is left. How many, and the oldest of them.
WITH ended AS (
    DELETE FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY (ARRAY(
        SELECT job.ctid
        FROM ONLY {{table}} AS job
        WHERE job.status IN ('success', 'failed') AND {{conditions}}
        ORDER BY job.created_at DESC, job.id DESC
        LIMIT {{limit}}
        FOR UPDATE SKIP LOCKED
    ))
      AND job.status || '' IN ('success', 'failed')
    RETURNING job.created_at, job.id
)
SELECT (SELECT count(*) FROM ended) AS jobs, oldest.created_at, oldest.id
FROM (SELECT ended.created_at, ended.id FROM ended ORDER BY ended.created_at, ended.id LIMIT 1) AS oldest
