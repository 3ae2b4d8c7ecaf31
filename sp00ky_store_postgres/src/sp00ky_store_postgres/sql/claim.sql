-- One backend's share of a claim; `claim_statements.py` joins them with UNION ALL.
-- By ctid: the rows were locked a moment ago, so no index has to be asked again for where they are. One that
-- moved between this statement's snapshot and its lock isn't found, stays pending, and comes with the next claim.
-- The status is asked once more, in a way that no index answers: the index of pending rows would be searched for each.
-- The lease counts from when the row is written: the statement may have waited for a lock on the table.
{{share}} AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'processing',
        lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
        lease_until = clock_timestamp() + {{lease}} * interval '1 second',
        runner_id = $1,
        updated_at = clock_timestamp()
    WHERE job.ctid = ANY (ARRAY(SELECT due.place FROM ({{due}}) AS due))
      AND job.status || '' = 'pending'
    RETURNING {{returned}}
)
