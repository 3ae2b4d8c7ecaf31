-- Rows that changed since an instant, each kind of change by an index of its own.
WITH changed AS (
    SELECT id FROM {{table}} WHERE created_at >= $1
    UNION
    SELECT id FROM {{table}} WHERE status = 'pending' AND lease_epoch > 0 AND updated_at >= $1
    UNION
    SELECT id FROM {{table}} WHERE status = 'processing' AND updated_at >= $1
    UNION
    SELECT id FROM {{table}} WHERE status IN ('success', 'failed') AND updated_at >= $1
)
SELECT {{columns}}
FROM {{table}} AS job
WHERE job.id = ANY (ARRAY(SELECT changed.id FROM changed)) AND {{conditions}}
ORDER BY job.updated_at, job.id
