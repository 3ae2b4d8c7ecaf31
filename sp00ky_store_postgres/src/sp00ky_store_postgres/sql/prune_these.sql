-- Those of these rows that a prune would delete.
DELETE FROM ONLY {{table}} AS job
WHERE job.ctid = ANY (ARRAY(
    SELECT ended.ctid
    FROM ONLY {{table}} AS ended
    WHERE ended.id = ANY ($3::uuid[])
      AND ended.status = {{status}} AND (ended.updated_at, ended.id) <= ($1, $2::uuid)
    FOR UPDATE SKIP LOCKED
))
AND job.status = {{status}}
RETURNING job.id
