-- A pause of what is paused takes its place, but for since. Whether it is a new one.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at)
INSERT INTO {{control}} AS control (backend, paused, paused_until, reason, actor, since)
SELECT $1, true, clock.at + $2::float8 * interval '1 second', $3, $4, clock.at
FROM clock
ON CONFLICT (backend) DO UPDATE
SET paused = true,
    paused_until = excluded.paused_until,
    reason = excluded.reason,
    actor = excluded.actor,
    since = CASE WHEN {{paused}} THEN coalesce(control.since, excluded.since) ELSE excluded.since END
RETURNING control.since = (SELECT clock.at FROM clock)
