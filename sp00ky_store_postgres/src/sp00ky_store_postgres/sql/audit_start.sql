INSERT INTO {{audit}} (actor, via, host, action, selection, reason)
VALUES ($1, $2, $3, $4, $5::text::json, $6)
RETURNING id
