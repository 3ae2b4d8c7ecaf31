-- The latest first.
SELECT
    run.schedule, run.fired_at, run.key, run.trigger, run.job_id, run.status, run.error::text, run.finished_at
FROM {{schedule_run}} AS run
WHERE ($1::text IS NULL OR run.schedule = $1)
  AND ($2::text[] IS NULL OR run.status = ANY ($2))
  AND ($3::text IS NULL OR run.key = $3)
  AND ($5::text[] IS NULL OR run.job_id = ANY ($5))
ORDER BY run.fired_at DESC, run.schedule DESC, run.key DESC
LIMIT $4
