-- One backend's probe: of the jobs that are due longest, and of those that became due last, the routes take turns, after
-- each failure the next one. Of two runners that come at once the second waits for the breaker's row, finds the probe
-- taken, and changes nothing.
-- Those that are due are found by their index and then read by ctid. That they are pending still is asked of
-- their latest version alone, in a way that no index answers: that index, searched once for each of them, is quadratic.
WITH RECURSIVE {{all_keys}}places AS MATERIALIZED (
    SELECT ARRAY(SELECT due.place FROM ({{due}}) AS due UNION {{latest}}) AS places
), candidate AS MATERIALIZED (
    SELECT
        CASE WHEN job.path = ANY ($2::text[]) THEN job.path END AS path,
        coalesce(job.path = ANY ($2::text[]), false) AS known,
        job.retries < job.max_retries AS spare
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[]) AND job.status || '' = 'pending'
), route AS (
    SELECT DISTINCT candidate.path
    FROM candidate
    WHERE (candidate.known, candidate.spare) = (
        SELECT fittest.known, fittest.spare FROM candidate AS fittest ORDER BY fittest.known DESC, fittest.spare DESC LIMIT 1
    )
), in_turn AS (
    SELECT route.path
    FROM route
    ORDER BY route.path COLLATE "C"
    LIMIT 1
    OFFSET (
        SELECT greatest(breaker.failures, 0) % (SELECT greatest(count(*), 1) FROM route)
        FROM {{breaker}} AS breaker
        WHERE breaker.backend = {{backend}}
    )
), chosen AS (
    SELECT job.id
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[])
      AND job.status || '' = 'pending'
    ORDER BY
        coalesce(job.path = ANY ($2::text[]), false) DESC, job.retries < job.max_retries DESC,
        coalesce(job.path = (SELECT in_turn.path FROM in_turn), false) DESC, job.priority DESC, job.run_at, job.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), breaker AS (
    UPDATE {{breaker}} AS breaker
    SET probe_runner = $1, probe_until = clock_timestamp() + {{probe_lease}} * interval '1 second'
    WHERE breaker.backend = {{backend}}
      AND breaker.state <> 'closed'
      AND {{pause_end}} IS NULL
      AND {{probe_end}} IS NULL
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
