-- Newest first, by the key, which rises with the time.
SELECT
    entry.id::text, entry.at, entry.actor, entry.db_user, entry.via, entry.host, entry.action, entry.selection::text,
    entry.count, entry.reason, entry.ended_at
FROM {{audit}} AS entry
WHERE ($1::timestamptz IS NULL OR entry.at >= $1) AND ($2::bigint IS NULL OR entry.id < $2)
ORDER BY entry.id DESC
LIMIT $3
