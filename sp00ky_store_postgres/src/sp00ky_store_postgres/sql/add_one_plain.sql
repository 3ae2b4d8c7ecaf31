-- The same as `add_one.sql` where nothing but path and payload differs from the columns' defaults.
INSERT INTO {{table}} (id, path, payload) VALUES ($1::text::uuid, $2::text, $3::text::json)
RETURNING id, created_at, updated_at, run_at
