-- The time, and the transactions whose writes may not be seen yet: each holds a lock on its own number. (A
-- snapshot's list leaves out those that are newer than every transaction that has ended.) Since when each runs: none
-- where this role may not see it.
SELECT
    clock_timestamp() AS at,
    ARRAY(
        SELECT held.transactionid::text || ' ' || coalesce(extract(epoch FROM session.xact_start)::text, '')
        FROM pg_locks AS held
        LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
        WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
    ) AS running
