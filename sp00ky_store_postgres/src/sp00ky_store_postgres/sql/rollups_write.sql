-- A row that is there is replaced: a write whose reply was lost is repeated.
WITH written AS (
    INSERT INTO {{rollup}} AS rollup
        (minute, runner_id, backend, path, outcome, code, count, seconds_sum, buckets)
    SELECT
        given.minute, given.runner_id, given.backend, given.path, given.outcome, given.code, given.count,
        given.seconds_sum, given.buckets::bigint[]
    FROM unnest(
        $1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[], $8::float8[],
        $9::text[]
    ) AS given (minute, runner_id, backend, path, outcome, code, count, seconds_sum, buckets)
    ON CONFLICT (minute, runner_id, backend, path, outcome, code) DO UPDATE
    SET count = excluded.count,
        seconds_sum = excluded.seconds_sum,
        buckets = excluded.buckets
)
SELECT clock_timestamp()
