-- The numbers of some pending jobs.
count(*) AS jobs,
count(*) FILTER (WHERE run_at <= now()) AS due,
min(run_at) FILTER (WHERE run_at <= now()) AS oldest_due,
count(deferred_since) AS deferred,
min(greatest(least(deferred_since, now()), now() - interval '3650 days')) FILTER (
    WHERE deferred_since IS NOT NULL
) AS oldest_deferred
