-- By ctid, for rows that were just locked; the status is asked again because a lock may have waited for nothing.
WITH old AS (
    DELETE FROM {{table}} AS job
    WHERE job.ctid = ANY (ARRAY(
        SELECT ended.ctid
        FROM {{table}} AS ended
        WHERE ended.status = $1 AND ended.updated_at <= now() - $2::float8 * interval '1 second'
        ORDER BY ended.updated_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ))
    AND job.status = $1 AND job.status IN ('success', 'failed')
    RETURNING 1
)
SELECT count(*) FROM old
