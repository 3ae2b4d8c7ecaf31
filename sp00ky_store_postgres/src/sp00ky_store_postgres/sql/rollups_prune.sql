-- Rows older than $1 seconds are deleted, at most $2.
DELETE FROM {{rollup}} AS rollup
WHERE (rollup.minute, rollup.runner_id, rollup.backend, rollup.path, rollup.outcome, rollup.code) IN (
    SELECT minute, runner_id, backend, path, outcome, code
    FROM {{rollup}}
    WHERE minute < now() - $1::float8 * interval '1 second'
    LIMIT $2
)
