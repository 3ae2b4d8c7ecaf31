-- The time, and the transactions whose writes may not be seen yet: each holds a lock on its own number. (A
-- snapshot's list leaves out those that are newer than every transaction that has ended.) Since when each runs: null
-- where this role may not see it.
SELECT
    clock_timestamp() AS at,
    coalesce(array_agg(held.transactionid::text), ARRAY[]::text[]) AS numbers,
    coalesce(array_agg(session.xact_start), ARRAY[]::timestamptz[]) AS starts
FROM pg_locks AS held
LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
