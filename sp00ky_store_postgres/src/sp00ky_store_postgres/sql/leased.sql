-- Whether a request of an attempt that was lost or killed may still be under way; a lease that ends later than any
-- runner can have written counts as run out.
(
    job.status <> 'processing'
    AND job.lease_until > now()
    AND job.lease_until <= now() + {{longest_lease}} * interval '1 second'
)
