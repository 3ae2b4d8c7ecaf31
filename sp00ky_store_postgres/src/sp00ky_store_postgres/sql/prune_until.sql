-- The place up to which rows are to be deleted: what is older than it is kept, or more than is kept, the later one.
SELECT until.at, until.key
FROM (
    SELECT now() - $1::float8 * interval '1 second' AS at, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS key
    WHERE $1 IS NOT NULL
    UNION ALL
    (
        SELECT ended.updated_at, ended.id
        FROM ONLY {{table}} AS ended
        WHERE ended.status = {{status}} AND $2::bigint IS NOT NULL AND {{unspared}}
        ORDER BY ended.updated_at DESC, ended.id DESC
        OFFSET $2
        LIMIT 1
    )
) AS until
ORDER BY until.at DESC, until.key DESC
LIMIT 1
