-- One job without a dedup key; as near to a bare INSERT as can be.
INSERT INTO {{table}} (
    id, path, payload, max_retries, retry_strategy, timeout, assigned_to, traceparent, run_at
)
VALUES (
    $1::text::uuid, $2::text, $3::text::json, $4::int, $5::text, $6::float8, $7::text, $8::text,
    coalesce($9::timestamptz, now() + $10::float8 * interval '1 microsecond')
)
RETURNING
    CASE WHEN id = $1::text::uuid THEN id ELSE ('{{unkept}}' || id)::uuid END, created_at, updated_at, run_at
