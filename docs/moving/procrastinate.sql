-- Move what waits in Procrastinate into the outbox: psql --file procrastinate.sql
-- It is one statement: all or nothing. Run it again until it moves nothing.
WITH route (task, path) AS (
    VALUES ('spookify', '/spookify')  -- yours: each task, and the route that does its work
),
moved AS (
    UPDATE procrastinate_jobs AS old
    SET status = 'cancelled'  -- a row that a worker has just taken is looked at again, and left
    FROM route
    WHERE old.task_name = route.task
        AND old.status = 'todo'
        AND NOT EXISTS (  -- a key that is taken here: a later run moves it
            SELECT FROM job WHERE job.dedup_key = old.queueing_lock AND job.status IN ('pending', 'processing')
        )
    RETURNING old.*, route.path
)
INSERT INTO job (path, payload, run_at, priority, ordering_key, ordering_at, dedup_key)
SELECT
    path,
    args::json,
    COALESCE(scheduled_at, now()),
    LEAST(GREATEST(priority, 0), 3),
    lock,
    timestamptz '2000-01-01' + id * interval '1 microsecond',  -- as they were deferred, before all new ones
    queueing_lock
FROM moved
RETURNING path, payload, run_at;
