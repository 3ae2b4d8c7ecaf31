-- A runner's rows that it doesn't hold, or some of them ($3); those that another transaction holds come with the next round.
UPDATE ONLY {{table}} AS job
SET status = 'pending', lease_until = NULL, runner_id = NULL, updated_at = clock_timestamp()
WHERE job.ctid = ANY (ARRAY(
    SELECT held.ctid
    FROM ONLY {{table}} AS held
    WHERE held.status = 'processing' AND held.runner_id = $1 AND held.id <> ALL ($2::uuid[])
        AND ($3::uuid[] IS NULL OR held.id = ANY ($3))
        AND held.lease_until > clock_timestamp() -- else it is lost: its attempt may have been made
    FOR NO KEY UPDATE SKIP LOCKED
))
  AND job.status || '' = 'processing'
RETURNING job.id
