SELECT
    count(*) FILTER (WHERE job.status = 'pending') AS pending,
    count(*) FILTER (WHERE job.status = 'pending' AND job.run_at <= now()) AS due,
    count(*) FILTER (WHERE job.status = 'processing') AS processing,
    count(*) FILTER (WHERE job.status = 'success') AS success,
    count(*) FILTER (WHERE job.status = 'failed') AS failed,
    count(*) FILTER (
        WHERE job.status = 'processing' AND (job.lease_until IS NULL OR job.lease_until <= now())
    ) AS stalled,
    greatest(
        extract(epoch FROM now() - min(job.run_at) FILTER (WHERE job.status = 'pending' AND job.run_at <= now())), 0
    )::float8 AS oldest_due_s
FROM {{table}} AS job
