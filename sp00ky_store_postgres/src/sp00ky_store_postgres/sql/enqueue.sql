-- Inserts of jobs.


-- name: add_one
-- One job without a dedup key; as near to a bare INSERT as can be.
{{insert}}
RETURNING
    CASE WHEN id = $1::text::uuid THEN true ELSE ('{{unkept}}: ' || id)::boolean END, created_at, updated_at, run_at,
    ordering_at


-- name: add_statement
-- One job with any options, for callers that send it themselves; no row comes back where its key is taken.
{{insert}}
ON CONFLICT DO NOTHING
RETURNING id


-- name: insert
-- Types are given by CAST, for `::` is a place in SQLAlchemy's text(); instants are text, which each driver takes.
INSERT INTO {{table}} ({{new_columns}})
VALUES (
    CAST(CAST({{id}} AS text) AS uuid), CAST({{path}} AS text), CAST(CAST({{payload}} AS text) AS json), 'pending', 0,
    CAST({{max_retries}} AS int), CAST({{retry_strategy}} AS text), CAST({{timeout}} AS float8),
    CAST({{assigned_to}} AS text), '[]', NULL,
    CAST({{dedup_key}} AS text), CAST({{traceparent}} AS text),
    coalesce(
        CAST(CAST({{run_at}} AS text) AS timestamptz), now() + CAST({{delay}} AS float8) * interval '1 microsecond'
    ), 0, NULL, NULL, CAST({{priority}} AS int),
    CAST({{ordering_key}} AS text), CASE WHEN CAST({{ordering_key}} AS text) IS NOT NULL THEN clock_timestamp() END,
    CAST(CAST({{expires_at}} AS text) AS timestamptz)
)


-- name: add_plain
-- Many jobs that differ in path and payload only.
-- The clock is read once, so that one row says it of all. It fails as a whole where a row is missing, or has
-- another key than the one that it was given: the keys are in order, and no other's are between them.
-- Unless they are new ($6): then a job may be there already, and NULL says that not all were added.
-- A path that all of them have is given once.
WITH common AS MATERIALIZED (
    SELECT clock_timestamp() AS at, ($2::text[])[1] AS path, $4::text::uuid AS first_id, $5::text::uuid AS last_id
),
added AS (
    INSERT INTO {{table}} ({{new_columns}}, created_at, updated_at)
    SELECT
        given.id, coalesce(given.path, common.path), given.payload::json, 'pending', 0, 3, 'linear', NULL, NULL,
        '[]', NULL, NULL, NULL, common.at, 0, NULL, NULL, 0, NULL, NULL, NULL, common.at, common.at
    FROM common, unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS given (id, path, payload)
    {{conflicts}}
    RETURNING id
),
kept AS (
    SELECT count(*) AS rows FROM added, common WHERE added.id BETWEEN common.first_id AND common.last_id
)
SELECT
    CASE
        WHEN kept.rows = cardinality($1::text[]) THEN common.at
        WHEN NOT $6::boolean THEN NULL
        ELSE ('{{unkept}}: ' || kept.rows)::timestamptz
    END
FROM common, kept


-- name: add_many
-- Jobs with any options. In the order of their keys: two batches that share keys never wait for each other.
-- DO NOTHING: the existing job is never locked, so that its settle waits for no caller's transaction.
-- Those of one ordering key have one instant, so that their keys order them as they were given.
-- At the first try ($15) it fails as a whole where a job that no dedup key can have kept out wasn't added.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at),
given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::text[]::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::float8[], $7::text[], $8::text[],
        $9::text[]::timestamptz[], $10::float8[], $11::int[], $12::text[], $13::text[]::timestamptz[], $14::text[]
    ) AS given (
        id, path, payload, max_retries, retry_strategy, timeout, assigned_to, traceparent, run_at, delay,
        priority, ordering_key, expires_at, dedup_key
    )
),
added AS (
    INSERT INTO {{table}} ({{new_columns}})
    SELECT
        given.id, given.path, given.payload::json, 'pending', 0, given.max_retries, given.retry_strategy,
        given.timeout, given.assigned_to, '[]', NULL, given.dedup_key, given.traceparent,
        coalesce(given.run_at, now() + given.delay * interval '1 microsecond'), 0, NULL, NULL,
        given.priority, given.ordering_key, CASE WHEN given.ordering_key IS NOT NULL THEN clock.at END, given.expires_at
    FROM given, clock
    ORDER BY given.dedup_key, given.id
    ON CONFLICT DO NOTHING
    RETURNING id, created_at, updated_at, run_at, ordering_at
)
SELECT added.id, added.created_at, added.updated_at, added.run_at, added.ordering_at
FROM added
WHERE (
    SELECT CASE WHEN count(*) = 0 THEN true ELSE ('{{unkept}}: ' || count(*))::boolean END
    FROM given
    WHERE $15::boolean AND given.dedup_key IS NULL AND given.id NOT IN (SELECT added.id FROM added)
)


-- name: unkept
a trigger or a rule of the table drops or changes what is inserted


-- name: new_columns
-- All of them, for a column's default may be another one by now; what PostgreSQL does is the same.
id, path, payload, status, retries, max_retries, retry_strategy, timeout, assigned_to, errors, result,
dedup_key, traceparent, run_at, lease_epoch, lease_until, runner_id, priority,
ordering_key, ordering_at, expires_at
