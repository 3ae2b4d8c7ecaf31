-- What a prune would delete after a place, in the order of places.
SELECT ended.id, ended.updated_at
FROM ONLY {{table}} AS ended
WHERE ended.status = {{status}} AND ended.updated_at <= now() - $1::float8 * interval '1 second'
  AND ended.updated_at >= $3 AND (ended.updated_at, ended.id) > ($3, $4::uuid)
ORDER BY ended.updated_at, ended.id
LIMIT $2
