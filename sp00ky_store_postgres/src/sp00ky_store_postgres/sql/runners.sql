SELECT
    {{runner_columns}}, runner.host, runner.pid, runner.started_at,
    greatest(extract(epoch FROM now() - runner.beat_at), 0)::float8 AS silent_for
FROM {{runner}} AS runner
ORDER BY runner.started_at DESC, runner.id
