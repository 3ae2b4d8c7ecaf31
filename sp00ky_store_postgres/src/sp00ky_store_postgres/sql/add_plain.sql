-- Many jobs that differ in path and payload only; everything else is the columns' default.
-- The clock is read once, so that one row tells of them all.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at),
added AS (
    INSERT INTO {{table}} (id, path, payload, created_at, updated_at, run_at)
    SELECT given.id, given.path, given.payload::json, clock.at, clock.at, clock.at
    FROM clock, unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS given (id, path, payload)
)
SELECT clock.at FROM clock
