-- Of the oldest entries, those that are old enough.
DELETE FROM {{audit}} AS entry
WHERE entry.id = ANY (ARRAY(SELECT oldest.id FROM {{audit}} AS oldest ORDER BY oldest.id LIMIT 1000))
  AND entry.at < now() - $1::float8 * interval '1 second'
