-- Many jobs that differ in path and payload only.
-- Every column is named, for its default may be another one by now; what PostgreSQL does is the same.
-- The clock is read once, so that one row says it of all. It fails as a whole where a row is missing, or has
-- another key than the one that it was given: the keys are in order, and no other's are between them.
-- A path that all of them have is given once.
WITH common AS MATERIALIZED (
    SELECT clock_timestamp() AS at, ($2::text[])[1] AS path, $4::text::uuid AS first_id, $5::text::uuid AS last_id
),
added AS (
    INSERT INTO {{table}} (
        id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
        dedup_key, traceparent, created_at, updated_at, run_at, lease_epoch, lease_until, runner_id,
        priority, ordering_key, ordering_at, expires_at
    )
    SELECT
        given.id, coalesce(given.path, common.path), given.payload::json, 'pending', 0, 3, 'linear', NULL, NULL,
        '[]', NULL, NULL, NULL, common.at, common.at, common.at, 0, NULL, NULL,
        0, NULL, NULL, NULL
    FROM common, unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS given (id, path, payload)
    RETURNING id
),
kept AS (
    SELECT count(*) AS rows FROM added, common WHERE added.id BETWEEN common.first_id AND common.last_id
)
SELECT
    CASE
        WHEN kept.rows = cardinality($1::text[]) THEN common.at
        ELSE ('{{unkept}}: ' || kept.rows)::timestamptz
    END
FROM common, kept
