held_{{number}} AS MATERIALIZED (
    SELECT given.*, 'processing' AS was, job.ctid AS place, job.lease_epoch AS epoch_now,
        job.status AS status_now, job.runner_id AS runner_now
    FROM given
    JOIN ONLY {{table}} AS job ON job.id = given.id
    WHERE given.table_number = {{number}}
    FOR NO KEY UPDATE OF job SKIP LOCKED
),
written_{{number}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'success',
        result = coalesce(held.result::json, job.result),
        deferred_since = NULL,
        lease_until = NULL,
        runner_id = NULL,
        updated_at = clock_timestamp()
    FROM held_{{number}} AS held
    WHERE job.ctid = held.place AND held.epoch_now = held.epoch AND held.status_now = 'processing'
      AND held.runner_now IS NOT DISTINCT FROM held.runner
    RETURNING held.n
)
