-- Move what waits in Graphile Worker into the outbox: psql --file graphile_worker.sql
-- It is one statement: all or nothing. Run it again until it moves nothing.
WITH route (task, path) AS (
    VALUES ('spookify', '/spookify')  -- yours: each task, and the route that does its work
),
waiting AS MATERIALIZED (
    SELECT old.id, old.queue_name, route.path
    FROM graphile_worker.jobs AS old
    JOIN route ON route.task = old.task_identifier
    WHERE old.locked_at IS NULL
        AND old.attempts < old.max_attempts  -- else it has failed for good
        AND NOT EXISTS (  -- a key that is taken here: a later run moves it
            SELECT FROM job WHERE job.dedup_key = old.key AND job.status IN ('pending', 'processing')
        )
),
moved AS (  -- the worker's own function: it leaves what a worker has taken meanwhile
    SELECT * FROM graphile_worker.complete_jobs(ARRAY(SELECT id FROM waiting))
)
INSERT INTO job (
    path, payload, run_at, priority, max_retries, retry_strategy, ordering_key, ordering_at, dedup_key
)
SELECT
    waiting.path,
    CASE json_typeof(moved.payload)
        WHEN 'object' THEN moved.payload
        ELSE json_build_object('payload', moved.payload)  -- a payload is an object here
    END,
    moved.run_at,
    LEAST(GREATEST(-moved.priority, 0), 3),
    moved.max_attempts - moved.attempts - 1,  -- those that are left after the next
    'exponential',
    waiting.queue_name,
    moved.created_at,
    moved.key
FROM moved
JOIN waiting ON waiting.id = moved.id
RETURNING path, payload, run_at;
