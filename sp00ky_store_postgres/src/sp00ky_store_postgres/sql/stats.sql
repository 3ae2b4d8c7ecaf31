SELECT
    count(*) FILTER (WHERE job.status = 'pending') AS pending,
    count(*) FILTER (WHERE job.status = 'pending' AND job.run_at <= now()) AS due,
    count(*) FILTER (WHERE job.status = 'processing') AS processing,
    count(*) FILTER (WHERE job.status = 'success') AS success,
    count(*) FILTER (WHERE job.status = 'failed') AS failed,
    count(*) FILTER (
        WHERE job.status = 'processing' AND {{over}}
    ) AS stalled,
    extract(
        epoch FROM now() - min(job.run_at) FILTER (WHERE job.status = 'pending' AND job.run_at <= now())
    )::float8 AS oldest_due_s,
    count(*) FILTER (WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL) AS deferred,
    extract(
        epoch FROM now() - min(greatest(least(job.deferred_since, now()), now() - interval '3650 days')) FILTER (
            WHERE job.status = 'pending' AND job.deferred_since IS NOT NULL
        )
    )::float8 AS oldest_deferred_s
FROM ONLY {{table}} AS job
