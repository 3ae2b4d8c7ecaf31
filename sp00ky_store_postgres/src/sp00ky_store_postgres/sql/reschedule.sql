-- Those of these jobs that are pending; what another transaction holds is left.
UPDATE ONLY {{table}} AS job
SET run_at = coalesce($2::timestamptz, clock_timestamp() + $3::float8 * interval '1 second', job.run_at),
    priority = coalesce($4::int, job.priority),
    updated_at = greatest(clock_timestamp(), job.created_at + interval '2 ms') -- by which it is found as changed
WHERE job.ctid = ANY (ARRAY(
    SELECT waiting.ctid
    FROM ONLY {{table}} AS waiting
    WHERE waiting.id = ANY ($1::uuid[]) AND waiting.status = 'pending'
    FOR NO KEY UPDATE SKIP LOCKED
))
  AND job.status || '' = 'pending'
RETURNING job.id
