-- Jobs that have been given back with a delay, again and again, for over an hour.
SELECT
    count(*) AS jobs,
    extract(epoch FROM now() - greatest(min(job.deferred_since), now() - interval '3650 days'))::int8 AS longest
FROM ONLY {{table}} AS job
WHERE job.status = 'pending' AND job.deferred_since < now() - interval '1 hour'
