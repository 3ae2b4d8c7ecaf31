-- Which of these sessions are at a statement, or wait for a lock; one that waits for its client is not.
SELECT session.pid
FROM pg_stat_activity AS session
WHERE
    session.pid = ANY($1::integer[])
    AND session.usename = session_user
    AND session.state = 'active'
    AND session.wait_event_type IS DISTINCT FROM 'Client'
