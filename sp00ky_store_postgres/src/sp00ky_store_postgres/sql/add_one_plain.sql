-- The same as `add_one.sql` where nothing but path and payload differs from a new job's defaults.
-- Every column is named, for its default may be another one by now; what PostgreSQL does is the same.
INSERT INTO {{table}} (
    id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
    dedup_key, traceparent, run_at, lease_epoch, lease_until, runner_id, priority,
    ordering_key, ordering_at, expires_at
)
VALUES (
    $1::text::uuid, $2::text, $3::text::json, 'pending', 0, 3, 'linear', NULL, NULL, '[]', NULL,
    NULL, NULL, now(), 0, NULL, NULL, 0,
    NULL, NULL, NULL
)
RETURNING
    CASE WHEN id = $1::text::uuid THEN true ELSE ('{{unkept}}: ' || id)::boolean END, created_at, updated_at, run_at
