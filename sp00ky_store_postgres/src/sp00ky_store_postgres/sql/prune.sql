-- The status as a constant: a plan for any status could not use the index of ended rows.
-- By ctid, for rows that were just locked; the status is asked again because a lock may have waited for nothing.
WITH old AS (
    DELETE FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY (ARRAY(
        SELECT ended.ctid
        FROM ONLY {{table}} AS ended
        WHERE ended.status = {{status}} AND ended.updated_at <= $1 AND (ended.updated_at, ended.id) <= ($1, $2::uuid)
          AND ended.updated_at >= $4 AND (ended.updated_at, ended.id) > ($4, $5::uuid) -- else it is kept
          AND {{unspared}}
        ORDER BY ended.updated_at
        LIMIT $3
        FOR UPDATE OF ended SKIP LOCKED
    ))
    AND job.status = {{status}}
    RETURNING 1
)
SELECT count(*) FROM old
