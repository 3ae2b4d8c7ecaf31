-- Jobs with any options. In the order of their keys: two batches that share keys never wait for each other.
-- DO NOTHING: the existing job is never locked, so that its settle waits for no caller's transaction.
-- Every column is named, for its default may be another one by now; what PostgreSQL does is the same.
-- Those of one ordering key have one instant, so that their keys order them as they were given.
-- At the first try ($15) it fails as a whole where a job that no dedup key can have kept out wasn't added.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at),
given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::text[]::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::float8[], $7::text[], $8::text[],
        $9::timestamptz[], $10::float8[], $11::int[], $12::text[], $13::timestamptz[], $14::text[]
    ) AS given (
        id, path, payload, max_retries, retry_strategy, timeout, assigned_to, traceparent, run_at, delay,
        priority, ordering_key, expires_at, dedup_key
    )
),
added AS (
    INSERT INTO {{table}} (
        id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
        dedup_key, traceparent, run_at, lease_epoch, lease_until, runner_id, priority,
        ordering_key, ordering_at, expires_at
    )
    SELECT
        given.id, given.path, given.payload::json, 'pending', 0, given.max_retries, given.retry_strategy,
        given.timeout, given.assigned_to, '[]', NULL, given.dedup_key, given.traceparent,
        coalesce(given.run_at, now() + given.delay * interval '1 microsecond'), 0, NULL, NULL,
        given.priority, given.ordering_key, CASE WHEN given.ordering_key IS NOT NULL THEN clock.at END, given.expires_at
    FROM given, clock
    ORDER BY given.dedup_key, given.id
    ON CONFLICT DO NOTHING
    RETURNING id, created_at, updated_at, run_at, ordering_at
)
SELECT added.id, added.created_at, added.updated_at, added.run_at, added.ordering_at
FROM added
WHERE (
    SELECT CASE WHEN count(*) = 0 THEN true ELSE ('{{unkept}}: ' || count(*))::boolean END
    FROM given
    WHERE $15::boolean AND given.dedup_key IS NULL AND given.id NOT IN (SELECT added.id FROM added)
)
