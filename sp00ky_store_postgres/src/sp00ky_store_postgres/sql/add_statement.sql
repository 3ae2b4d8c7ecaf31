-- One job with any options, for callers that send it themselves; no row comes back where its key is taken.
-- Types are given by CAST, for `::` is a place in SQLAlchemy's text(); instants are text, which each driver takes.
INSERT INTO {{table}} (
    id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
    dedup_key, traceparent, run_at, lease_epoch, lease_until, runner_id, priority,
    ordering_key, ordering_at, expires_at
)
VALUES (
    CAST({{id}} AS uuid), CAST({{path}} AS text), CAST({{payload}} AS json), 'pending', 0,
    CAST({{max_retries}} AS int), CAST({{retry_strategy}} AS text), CAST({{timeout}} AS float8),
    CAST({{assigned_to}} AS text), '[]', NULL,
    CAST({{dedup_key}} AS text), CAST({{traceparent}} AS text),
    coalesce(
        CAST(CAST({{run_at}} AS text) AS timestamptz), now() + CAST({{delay}} AS float8) * interval '1 microsecond'
    ), 0, NULL, NULL, CAST({{priority}} AS int),
    CAST({{ordering_key}} AS text), CASE WHEN CAST({{ordered}} AS boolean) THEN clock_timestamp() END,
    CAST(CAST({{expires_at}} AS text) AS timestamptz)
)
ON CONFLICT DO NOTHING
RETURNING id
