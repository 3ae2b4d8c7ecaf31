-- $6 is one more than the revision that the change was decided on: where that isn't so any more, nothing is written.
-- The transaction's id: whoever loses the connection asks by it what has become of it.
UPDATE {{schedule}} AS schedule
SET definition = $2::text::json,
    hash = $3,
    seen = $4::text::json,
    origin = $5,
    revision = $6,
    paused = $7,
    removed = $8,
    next_fire_at = $9,
    last_fired_at = $10,
    last_error = $11,
    failures = $12::text::json,
    job_table = $13
WHERE schedule.name = $1 AND schedule.revision = $6 - 1
RETURNING pg_current_xact_id()::text
