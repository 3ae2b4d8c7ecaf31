-- Jobs of one table that are failed, or pending after a failed attempt, by their last error. The example is the job that
-- has the latest updated_at: the greatest pair of texts, which takes no memory for the others.
SELECT
    found.path, found.name, found.code, count(*) AS count,
    min(found.updated_at) AS first, max(found.updated_at) AS last,
    (max(ARRAY[to_char(found.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), found.id::text] COLLATE "C"))[2]
        AS example
FROM (
    SELECT
        job.id, job.path, job.updated_at, left(coalesce(job.entry ->> 'name', ''), 255) AS name,
        CASE WHEN job.entry ->> 'code' ~ '^[0-9]{1,9}$' THEN (job.entry ->> 'code')::int ELSE 0 END AS code
    FROM (
        SELECT job.id, {{path}} AS path, job.status, job.updated_at, {{entry}} AS entry
        FROM ONLY {{table}} AS job
        WHERE job.updated_at >= $1
          AND (job.status = 'failed' OR (job.status = 'pending' AND job.lease_epoch > 0))
        OFFSET 0
    ) AS job
    WHERE job.status = 'failed' OR job.entry IS NOT NULL
) AS found
GROUP BY found.path, found.name, found.code
ORDER BY count(*) DESC, max(found.updated_at) DESC
LIMIT $2
