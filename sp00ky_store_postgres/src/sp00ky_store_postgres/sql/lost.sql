-- Through the index of processing rows, which holds no more than what all runners have in hand.
SELECT {{columns}}
FROM ONLY {{table}} AS job
WHERE job.status = 'processing'
  AND (
      job.runner_id = ANY ($1::text[])
      OR {{over}} AND (job.runner_id IS NULL OR job.runner_id <> ALL ($2::text[]) OR job.id = ANY ($3::uuid[]))
  )
  AND job.id <> ALL ($4::uuid[]) -- those that the database won't have written
LIMIT $5
