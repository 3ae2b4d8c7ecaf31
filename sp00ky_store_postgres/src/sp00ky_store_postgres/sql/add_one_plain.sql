-- The same as `add_one.sql` where nothing but path and payload differs from a new job's defaults.
INSERT INTO {{table}} (
    id, path, payload
)
VALUES (
    $1::text::uuid, $2::text, $3::text::json
)
RETURNING
    CASE WHEN id = $1::text::uuid THEN id ELSE ('{{unkept}}' || id)::uuid END, created_at, updated_at, run_at
