-- SKIP LOCKED: a row that somebody's transaction holds is told apart, and delays no other.
held_{{number}} AS MATERIALIZED (
    SELECT given.*, job.ctid AS place, job.lease_epoch AS epoch_now, job.status AS status_now
    FROM given
    JOIN {{table}} AS job ON job.id = given.id
    WHERE given.table_number = {{number}}
    FOR NO KEY UPDATE OF job SKIP LOCKED
),
written_{{number}} AS (
    UPDATE {{table}} AS job
    SET status = held.status,
        retries = held.retries,
        run_at = CASE
            WHEN held.delay IS NULL THEN job.run_at
            WHEN held.flags & 4 <> 0
                THEN greatest(now() + held.delay * interval '1 second', job.lease_until)
            ELSE now() + held.delay * interval '1 second'
        END,
        errors = CASE
            WHEN held.error IS NULL THEN job.errors
            ELSE (
                SELECT (
                    '[' || coalesce(string_agg(kept.value::text, ',' ORDER BY kept.n) || ',', '')
                    || '{"at":"'
                    || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                    || '",' || substr(held.error, 2) || ']'
                )::json
                FROM json_array_elements(job.errors) WITH ORDINALITY AS kept (value, n)
                WHERE kept.n = 1 OR kept.n > json_array_length(job.errors) - {{others}}
            )
        END,
        result = coalesce(held.result::json, job.result),
        lease_until = CASE WHEN held.flags & 2 <> 0 THEN job.lease_until END,
        runner_id = CASE WHEN held.flags & 2 <> 0 THEN job.runner_id END,
        lease_epoch = (job.lease_epoch + (held.flags & 1)) % 4611686018427387905,
        updated_at = clock_timestamp()
    FROM held_{{number}} AS held
    WHERE job.ctid = held.place AND held.epoch_now = held.epoch AND held.status_now = held.was
    RETURNING held.n
)
