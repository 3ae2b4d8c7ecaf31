-- Settles, in batches: the rows of each table are written by one of these, and the numbers of what was written come back
-- in one row. They are fewer than were given where a guard didn't fit, or a row is locked.


-- name: settle
-- Transitions. SKIP LOCKED: a row that another transaction holds isn't written, and delays no other.
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
        request_id = coalesce(held.request_id, job.request_id),
        claimed_at = CASE WHEN held.was = 'processing' THEN job.updated_at ELSE job.claimed_at END,
        updated_at = greatest(clock_timestamp(), job.created_at + interval '2 ms') -- by which it is found as changed
    FROM (
        SELECT given.*, job.ctid AS place
        FROM unnest(
            $1::int[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::text[],
            $10::int[], $11::float8[], $12::timestamptz[], $13::int[], $14::text[]
        ) WITH ORDINALITY AS given (
            table_number, id, error, result, flags, epoch, was, runner, status,
            retries, delay, due, priority, request_id, n
        )
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


-- name: appended
-- A row's errors with one more: the first and the latest 49 are kept, in two passes over the text, however long it is.
-- (Not by ->, which fails for a \u0000 anywhere.)
-- OFFSET 0 keeps each count from being taken anew for each entry. Text that is longer than any runner's isn't read,
-- nor are entries that are longer than any runner's. An entry of a deferral takes the place of one
-- of its name that it follows.
(
    SELECT (
        '[' || coalesce(string_agg(kept.value::text, ',' ORDER BY kept.n) || ',', '')
        || '{"at":"' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '",'
        || CASE WHEN held.was = 'processing' THEN
            '"claimed_at":"' || to_char(job.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '",'
            ELSE '' END
        || min(last.merged) || substr(held.error, 2) || ']'
    )::json
    FROM (
        SELECT CASE
            WHEN NOT ({{fits}}) THEN '[]'
            WHEN json_typeof(job.errors) = 'array' THEN job.errors
            ELSE '[]'
        END AS errors
        OFFSET 0
    ) AS before
    CROSS JOIN LATERAL (
        SELECT counted.count, CASE
            WHEN held.flags & 32 <> 0 THEN (
                SELECT error.value
                FROM json_array_elements(before.errors) WITH ORDINALITY AS error (value, n)
                WHERE error.n = counted.count
            )
        END AS entry
        FROM (SELECT json_array_length(before.errors) AS count OFFSET 0) AS counted
        OFFSET 0
    ) AS found
    CROSS JOIN LATERAL (
        SELECT found.count - (throttled.merged <> '')::int AS count, throttled.merged
        FROM (
            SELECT CASE
                WHEN found.entry IS NULL OR {{unreadable}} THEN ''
                WHEN found.entry ->> 'name' = held.error::json ->> 'name' THEN
                    '"since":' || to_json(left(coalesce(found.entry ->> 'since', found.entry ->> 'at', ''), 64))::text
                    || ',"count":' || CASE
                        WHEN found.entry ->> 'count' ~ '^[0-9]{1,9}$' THEN (found.entry ->> 'count')::int + 1
                        ELSE 2
                    END || ','
                ELSE ''
            END AS merged
            OFFSET 0
        ) AS throttled
        OFFSET 0
    ) AS last
    LEFT JOIN LATERAL json_array_elements(before.errors) WITH ORDINALITY AS kept (value, n)
        ON kept.n <= last.count
       AND (kept.n = 1 OR kept.n > last.count - {{others}})
       AND octet_length(kept.value::text) <= {{longest_entry}}
)


-- name: settle_success
-- One runner's deliveries alone, which most batches are, of rows that nobody has locked: they are written without being
-- locked before. Whoever locked a row last stands in its xmax; its own claim did so, and has ended. What isn't written
-- here is left to `settle`.
-- The status is asked for in a way that no index answers: the index of rows in progress would be searched for each.
written_{{number}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'success',
        result = coalesce(given.result::json, job.result),
        deferred_since = NULL,
        lease_until = NULL,
        runner_id = NULL,
        claimed_at = job.updated_at,
        updated_at = clock_timestamp()
    FROM unnest($1::text::int[], $2::text::uuid[], $3::text::bigint[], $4::text::text[])
        WITH ORDINALITY AS given (table_number, id, epoch, result, n)
    WHERE given.table_number = {{number}}
      AND job.id = given.id
      AND job.lease_epoch = given.epoch
      AND job.status || '' = 'processing'
      AND job.runner_id IS NOT DISTINCT FROM $5::text
      AND (job.xmax = job.xmin OR job.xmax = 0)
    RETURNING given.n
)


-- name: settle_unwritten
-- What the rows are that a batch didn't write.
SELECT given.n, job.lease_epoch AS epoch, job.status, {{runner_id}} AS runner
FROM unnest($1::int[], $2::uuid[]) WITH ORDINALITY AS given (table_number, id, n)
LEFT JOIN ONLY {{table}} AS job ON job.id = given.id
WHERE given.table_number = {{number}}
