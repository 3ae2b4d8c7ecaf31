-- SKIP LOCKED: a row that another transaction holds isn't written, and delays no other.
written_{{number}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = held.status,
        retries = held.retries,
        run_at = CASE
            WHEN held.delay IS NULL THEN coalesce(held.due, job.run_at)
            WHEN held.flags & 4 <> 0
                THEN greatest(clock_timestamp() + held.delay * interval '1 second', job.lease_until)
            ELSE clock_timestamp() + held.delay * interval '1 second'
        END,
        errors = CASE WHEN held.error IS NULL THEN job.errors ELSE {{appended}} END,
        result = coalesce(held.result::json, job.result),
        deferred_since = CASE
            WHEN held.flags & 8 <> 0 THEN coalesce(job.deferred_since, clock_timestamp())
            WHEN held.flags & 16 <> 0 THEN job.deferred_since
        END,
        lease_until = CASE WHEN held.flags & 2 <> 0 THEN job.lease_until END,
        runner_id = CASE WHEN held.flags & 2 <> 0 THEN job.runner_id END,
        lease_epoch = CASE WHEN held.flags & 1 <> 0 THEN job.lease_epoch % 4611686018427387904 + 1 ELSE job.lease_epoch END,
        priority = coalesce(held.priority, job.priority),
        updated_at = greatest(clock_timestamp(), job.created_at + interval '2 ms') -- by which it is found as changed
    FROM (
        SELECT given.*, job.ctid AS place
        FROM {{given}}
        JOIN ONLY {{table}} AS job ON job.id = given.id
        WHERE given.table_number = {{number}}
          AND job.lease_epoch = given.epoch
          AND job.status || '' = given.was
          AND {{runner_id}} IS NOT DISTINCT FROM given.runner
        FOR NO KEY UPDATE OF job SKIP LOCKED
    ) AS held
    WHERE job.ctid = held.place
    RETURNING held.n
)
