-- One backend's probe: of the jobs that are due longest, and of those that became due last, the routes take turns, after
-- each failure ($3) the next one; those without a job that has retries left only at a risk's turn ($4), or where there
-- are no others. Of two runners that come at once the second waits for the breaker's row, finds the probe taken, and
-- changes nothing.
-- Those that are due are found by their index and then read by ctid. That they are pending still is asked of
-- their latest version alone, in a way that no index answers: that index, searched once for each of them, is quadratic.
WITH RECURSIVE {{all_keys}}places AS MATERIALIZED (
    SELECT ARRAY(SELECT due.place FROM ({{due}}) AS due UNION {{latest}}) AS places
), route AS MATERIALIZED (
    SELECT job.path, bool_or(job.retries < job.max_retries) AS spare
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[])
      AND job.status || '' = 'pending'
      AND job.path = ANY ($2::text[])
    GROUP BY job.path
), fit AS (
    SELECT route.path, CASE WHEN route.spare = kinds.spare THEN $3::integer ELSE $4::integer END AS turn
    FROM route, (SELECT bool_or(route.spare) AS spare, bool_and(route.spare) AS alike FROM route) AS kinds
    WHERE route.spare = (kinds.spare AND (kinds.alike OR $4::integer IS NULL))
), in_turn AS (
    SELECT fit.path
    FROM fit
    ORDER BY fit.path COLLATE "C"
    LIMIT 1
    OFFSET (SELECT greatest(max(fit.turn), 0) % greatest(count(*), 1) FROM fit)
), chosen AS (
    SELECT job.id
    FROM ONLY {{table}} AS job
    WHERE job.ctid = ANY ((SELECT places FROM places)::tid[])
      AND job.status || '' = 'pending'
    ORDER BY
        coalesce(job.path = (SELECT in_turn.path FROM in_turn), false) DESC,
        coalesce(job.path = ANY ($2::text[]), false) DESC, job.retries < job.max_retries DESC,
        job.priority DESC, job.run_at, job.id
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
