-- What a claim would write to one row; rolled back in any case.
UPDATE ONLY {{table}} AS job
SET status = 'processing',
    lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
    lease_until = now() + interval '1 second',
    runner_id = 'trial',
    updated_at = clock_timestamp()
WHERE job.id = $1
