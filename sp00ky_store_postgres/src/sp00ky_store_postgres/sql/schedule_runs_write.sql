-- A run that is there is replaced.
INSERT INTO {{schedule_run}} (schedule, fired_at, key, trigger, job_id, status, error, finished_at)
SELECT
    given.schedule, given.fired_at, given.key, given.trigger, given.job_id, given.status, given.error::json,
    given.finished_at
FROM unnest(
    $1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]
) AS given (schedule, fired_at, key, trigger, job_id, status, error, finished_at)
ON CONFLICT (schedule, fired_at, key) DO UPDATE
SET trigger = excluded.trigger,
    job_id = excluded.job_id,
    status = excluded.status,
    error = excluded.error,
    finished_at = excluded.finished_at
