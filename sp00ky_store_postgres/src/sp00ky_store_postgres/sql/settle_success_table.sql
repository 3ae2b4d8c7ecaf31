-- The status is asked for in a way that no index answers: the index of rows in progress would be searched for each.
written_{{number}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'success',
        result = coalesce(held.result::json, job.result),
        deferred_since = NULL,
        lease_until = NULL,
        runner_id = NULL,
        updated_at = clock_timestamp()
    FROM (
        SELECT given.n, given.result, job.ctid AS place
        FROM {{given}}
        JOIN ONLY {{table}} AS job ON job.id = given.id
        WHERE given.table_number = {{number}}
          AND job.lease_epoch = given.epoch
          AND job.status || '' = 'processing'
          AND job.runner_id IS NOT DISTINCT FROM $5::text
        FOR NO KEY UPDATE OF job SKIP LOCKED
    ) AS held
    WHERE job.ctid = held.place
    RETURNING held.n
)
