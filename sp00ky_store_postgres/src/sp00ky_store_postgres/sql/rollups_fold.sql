-- Minutes older than $1 seconds become part of their hours. The rows that are deleted are locked: none counts twice.
WITH old AS (
    DELETE FROM {{rollup}} AS rollup
    WHERE (rollup.minute, rollup.runner_id, rollup.backend, rollup.path, rollup.outcome, rollup.code) IN (
        SELECT minute, runner_id, backend, path, outcome, code
        FROM {{rollup}}
        WHERE minute < to_timestamp(floor(extract(epoch FROM now() - $1::float8 * interval '1 second') / 3600) * 3600)
          AND runner_id <> ''
        ORDER BY minute, runner_id, backend, path, outcome, code
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING rollup.*
),
hours AS (
    INSERT INTO {{rollup}} AS hour (minute, backend, path, outcome, code, count, seconds_sum, buckets)
    SELECT
        to_timestamp(floor(extract(epoch FROM rollup.minute) / 3600) * 3600), rollup.backend, rollup.path,
        rollup.outcome, rollup.code, sum(rollup.count), sum(rollup.seconds_sum), {{buckets}}
    FROM old AS rollup
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (minute, runner_id, backend, path, outcome, code) DO UPDATE
    SET count = hour.count + excluded.count,
        seconds_sum = hour.seconds_sum + excluded.seconds_sum,
        buckets = {{added}}
)
SELECT count(*)::integer FROM old
