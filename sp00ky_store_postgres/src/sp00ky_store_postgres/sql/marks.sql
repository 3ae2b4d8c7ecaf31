-- What moves when a row changes.
SELECT job.id, job.updated_at, job.lease_epoch, job.status FROM ONLY {{table}} AS job WHERE job.id = ANY ($1::uuid[])
