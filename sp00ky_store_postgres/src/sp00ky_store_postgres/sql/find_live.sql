-- The jobs that hold dedup keys, and those of a batch whose first reply was lost.
SELECT {{columns}}
FROM ONLY {{table}} AS job
WHERE (job.dedup_key = ANY ($1::text[]) AND job.status IN ('pending', 'processing'))
   OR job.id = ANY ($2::text[]::uuid[])
