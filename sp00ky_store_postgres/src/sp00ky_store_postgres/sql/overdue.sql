-- What some runners have in hand and whose lease is over by this clock; for how long a lease of it lasts.
SELECT job.id, job.lease_epoch, job.runner_id, {{lease}} AS lasts
FROM ONLY {{table}} AS job
WHERE job.status = 'processing' AND job.runner_id = ANY ($1::text[]) AND {{over}}
LIMIT $2
