-- One backend's share of a claim; `claim.py` joins them with UNION ALL.
-- By ctid: the rows were locked a moment ago, so no index has to be asked again for where they are. One that
-- moved between this statement's snapshot and its lock isn't found, stays pending, and comes with the next claim.
{{share}} AS (
    UPDATE {{table}} AS job
    SET status = 'processing',
        lease_epoch = (job.lease_epoch + 1) % 4611686018427387905, -- a client may have written the highest
        lease_until = now() + {{lease}} * interval '1 second',
        runner_id = $1,
        updated_at = clock_timestamp()
    WHERE job.ctid = ANY (ARRAY(
        SELECT due.ctid
        FROM {{table}} AS due
        WHERE due.status = 'pending'
          AND due.run_at <= now()
          AND due.run_at >= {{since}}
          {{heeding}}
          {{left_out}}
        ORDER BY due.run_at, due.id
        LIMIT {{limit}}
        FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING {{returned}}
)
