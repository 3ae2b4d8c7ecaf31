-- What some runners have in hand and whose lease is over by this clock; for how long a lease of it lasts. A runner whose
-- file says more than this one's has written a longer one.
SELECT
    job.id, job.lease_epoch, job.runner_id,
    CASE
        WHEN job.lease_epoch > 0 AND job.lease_until - job.updated_at <= {{longest}} * interval '1 second'
            THEN greatest({{lease}}, round(extract(epoch FROM job.lease_until - job.updated_at)::numeric, 3)::float8)
        ELSE {{lease}}
    END AS lasts
FROM ONLY {{table}} AS job
WHERE job.status = 'processing' AND job.runner_id = ANY ($1::text[]) AND {{over}}
LIMIT $2
