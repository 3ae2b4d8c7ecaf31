DELETE FROM ONLY {{table}} AS job
WHERE job.id = ANY ($1::uuid[]) AND job.status IN ('success', 'failed')
RETURNING job.id
