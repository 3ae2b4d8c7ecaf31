-- Through the index of processing rows, which holds no more than what all runners have in hand.
SELECT {{columns}}
FROM {{table}} AS job
WHERE job.status = 'processing'
  AND (job.lease_until IS NULL OR job.lease_until <= now() OR job.runner_id = ANY ($1::text[]))
  AND job.id <> ALL ($3::uuid[]) -- those that the database won't have written
LIMIT $2
