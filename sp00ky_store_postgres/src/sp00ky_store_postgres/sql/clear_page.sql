-- What a clear would delete, newest first.
SELECT job.created_at, job.id
FROM ONLY {{table}} AS job
WHERE job.status IN ('success', 'failed') AND {{conditions}}
ORDER BY job.created_at DESC, job.id DESC
LIMIT {{limit}}
