-- The status as a constant: a plan for any status could not use the index of ended rows.
-- By ctid, for rows that were just locked; the status is asked again because a lock may have waited for nothing.
WITH old AS (
    DELETE FROM {{table}} AS job
    WHERE job.ctid = ANY (ARRAY(
        SELECT ended.ctid
        FROM {{table}} AS ended
        WHERE ended.status = {{status}} AND ended.updated_at <= now() - $1::float8 * interval '1 second'
        ORDER BY ended.updated_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
    AND job.status = {{status}}
    RETURNING 1
)
SELECT count(*) FROM old
