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
