-- By ctid, for rows that were just locked: two runners that delete share the work.
DELETE FROM {{schedule_run}} AS run
WHERE run.ctid = ANY (ARRAY(
    SELECT ended.ctid
    FROM {{schedule_run}} AS ended
    WHERE ended.schedule = $1 AND ended.status = ANY ($2::text[]) AND ended.fired_at < $3
    ORDER BY ended.fired_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
))
RETURNING run.job_id
