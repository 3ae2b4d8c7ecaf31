-- Of lost jobs without an ordering key: a claim takes them no earlier, where what is in flight is counted.
UNION ALL
SELECT greatest(job.run_at, job.lease_until)
FROM ONLY {{table}} AS job
WHERE job.status = 'pending' AND job.ordering_key IS NULL AND {{leased}} {{left_out}}
