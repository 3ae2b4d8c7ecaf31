-- Whether a request of an attempt that was lost or killed may still be under way; a lease that no claim can have written
-- counts as run out.
(
    job.status <> 'processing'
    AND job.lease_until > now()
    AND job.lease_epoch > 0
    AND job.lease_until <= now() + {{longest_lease}} * interval '1 second'
)
