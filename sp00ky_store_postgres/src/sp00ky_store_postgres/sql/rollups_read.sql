-- Rows of all runners, summed up by step ($4: its seconds; NULL: all in one), and by path where $5.
SELECT
    CASE
        WHEN $4::bigint IS NULL THEN $1::timestamptz
        ELSE to_timestamp(floor(extract(epoch FROM rollup.minute) / $4::bigint) * $4::bigint)
    END AS minute,
    rollup.backend,
    CASE WHEN $5::boolean THEN rollup.path ELSE '' END AS path,
    rollup.outcome,
    rollup.code,
    sum(rollup.count)::bigint AS count,
    sum(rollup.seconds_sum)::float8 AS seconds_sum,
    {{buckets}} AS buckets
FROM {{rollup}} AS rollup
WHERE rollup.minute >= $1::timestamptz
  AND ($2::timestamptz IS NULL OR rollup.minute < $2::timestamptz)
  AND ($3::text IS NULL OR rollup.backend = $3::text)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
