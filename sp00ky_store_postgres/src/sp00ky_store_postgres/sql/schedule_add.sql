-- A schedule that isn't there yet. The transaction's id: whoever loses the connection asks by it what has become of it.
INSERT INTO {{schedule}} (
    name, definition, hash, seen, origin, revision, paused, removed, next_fire_at, last_fired_at, last_error, failures,
    job_table
)
VALUES ($1, $2::text::json, $3, $4::text::json, $5, $6, $7, $8, $9, $10, $11, $12::text::json, $13)
ON CONFLICT DO NOTHING
RETURNING pg_current_xact_id()::text
