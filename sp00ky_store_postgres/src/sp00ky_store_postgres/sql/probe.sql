-- One backend's probe. Of two runners that come at once the second waits for the breaker's row, finds the probe
-- taken, and changes nothing.
-- Those that are due are found by their index and then read by ctid. That they are pending still is asked of
-- their latest version alone, in a way that no index answers: that index, searched once for each of them, is quadratic.
WITH RECURSIVE {{all_keys}}chosen AS (
    SELECT job.id
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY (ARRAY(SELECT due.place FROM ({{due}}) AS due))
      AND job.status || '' = 'pending'
    ORDER BY
        coalesce(job.path = ANY ($2::text[]), false) DESC, job.retries < job.max_retries DESC, job.priority DESC,
        job.run_at, job.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), breaker AS (
    UPDATE {{breaker}} AS breaker
    SET probe_runner = $1, probe_until = clock_timestamp() + {{probe_lease}} * interval '1 second'
    WHERE breaker.backend = {{backend}}
      AND breaker.state <> 'closed'
      AND (breaker.paused_until IS NULL OR breaker.paused_until <= now())
      AND (breaker.probe_until IS NULL OR breaker.probe_until <= now())
      AND EXISTS (SELECT FROM chosen)
      {{heeding}}
    RETURNING breaker.*
), probe AS (
    UPDATE ONLY {{table}} AS job
    SET status = 'processing',
        lease_epoch = job.lease_epoch % 4611686018427387904 + 1, -- a client may have written the highest
        lease_until = clock_timestamp() + {{lease}} * interval '1 second',
        runner_id = $1,
        updated_at = clock_timestamp()
    FROM chosen
    WHERE job.id = chosen.id AND job.status || '' = 'pending' AND EXISTS (SELECT FROM breaker)
    RETURNING {{returned}}
)
TABLE probe
UNION ALL
SELECT -1, NULL, {{breaker_read}}, {{nulls}} FROM breaker
