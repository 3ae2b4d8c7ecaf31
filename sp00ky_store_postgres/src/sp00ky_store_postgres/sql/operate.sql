-- The log of operators' acts.


-- name: audit_start
INSERT INTO {{audit}} (actor, via, host, action, selection, reason)
VALUES ($1, $2, $3, $4, $5::text::json, $6)
RETURNING id


-- name: audit_update
UPDATE {{audit}} AS entry
SET count = $2, ended_at = CASE WHEN $3::boolean THEN clock_timestamp() ELSE entry.ended_at END
WHERE entry.id = $1


-- name: audit_entry
SELECT entry.id FROM {{audit}} AS entry WHERE entry.id = $1


-- name: audit_find
-- Newest first, by the key, which rises with the time.
SELECT
    entry.id::text, entry.at, entry.actor, entry.db_user, entry.via, entry.host, entry.action, entry.selection::text,
    entry.count, entry.reason, entry.ended_at
FROM {{audit}} AS entry
WHERE ($1::timestamptz IS NULL OR entry.at >= $1) AND ($2::bigint IS NULL OR entry.id < $2)
ORDER BY entry.id DESC
LIMIT $3
