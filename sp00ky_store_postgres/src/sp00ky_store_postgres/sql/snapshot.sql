-- The time, and the transactions whose writes may not be seen yet: each holds a lock on its own number. (A
-- snapshot's list leaves out those that are newer than every transaction that has ended.)
SELECT
    clock_timestamp() AS at,
    ARRAY(
        SELECT held.transactionid::text
        FROM pg_locks AS held
        WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
    ) AS running
