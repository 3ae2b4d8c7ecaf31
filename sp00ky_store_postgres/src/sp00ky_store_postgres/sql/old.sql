-- What a prune would delete after a place, in the order of places.
SELECT ended.id, ended.updated_at
FROM ONLY {{table}} AS ended
WHERE ended.status = {{status}} AND ended.updated_at <= $1 AND (ended.updated_at, ended.id) <= ($1, $2::uuid)
  AND ended.updated_at >= $4 AND (ended.updated_at, ended.id) > ($4, $5::uuid)
  AND {{unspared}}
ORDER BY ended.updated_at, ended.id
LIMIT $3
