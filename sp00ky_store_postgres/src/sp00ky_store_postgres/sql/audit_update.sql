UPDATE {{audit}} AS entry
SET count = $2, ended_at = CASE WHEN $3::boolean THEN clock_timestamp() ELSE entry.ended_at END
WHERE entry.id = $1
