-- The time, and the transactions whose writes can't be seen yet.
SELECT
    clock_timestamp() AS at,
    ARRAY(SELECT running::text FROM pg_snapshot_xip(pg_current_snapshot()) AS running) AS running
