-- One job without a dedup key; as near to a bare INSERT as can be.
-- Every column is named, for its default may be another one by now; what PostgreSQL does is the same.
INSERT INTO {{table}} (
    id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
    dedup_key, traceparent, run_at, lease_epoch, lease_until, runner_id, priority,
    ordering_key, ordering_at, expires_at
)
VALUES (
    $1::text::uuid, $2::text, $3::text::json, 'pending', 0, $4::int, $5::text, $6::float8, $7::text, '[]', NULL,
    NULL, $8::text, coalesce($9::timestamptz, now() + $10::float8 * interval '1 microsecond'), 0, NULL, NULL,
    $11::int, $12::text, CASE WHEN $12::text IS NOT NULL THEN clock_timestamp() END, $13::timestamptz
)
RETURNING
    CASE WHEN id = $1::text::uuid THEN true ELSE ('{{unkept}}: ' || id)::boolean END, created_at, updated_at, run_at,
    ordering_at
