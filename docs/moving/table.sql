-- Move what a hand-made outbox table hasn't sent yet: psql --file table.sql
-- It is one statement: all or nothing. Run it again until it moves nothing.
-- Yours: the table and its columns, here outbox (id, aggregate_id, type, payload, created_at, sent_at).
WITH route (type, path) AS (
    VALUES ('order_placed', '/orders/placed'), ('order_paid', '/orders/paid')  -- yours: each type's route
),
waiting AS (
    SELECT old.id, route.path
    FROM outbox AS old
    JOIN route USING (type)
    WHERE old.sent_at IS NULL
    FOR UPDATE OF old SKIP LOCKED  -- your relay has those
),
moved AS (
    UPDATE outbox AS old
    SET sent_at = now()
    FROM waiting
    WHERE old.id = waiting.id
    RETURNING old.*, waiting.path
)
INSERT INTO job (path, payload, assigned_to, ordering_key, ordering_at)
SELECT
    path,
    payload::json,
    aggregate_id,
    aggregate_id,  -- leave these two out if order doesn't matter: then one failed job holds up no other
    created_at
FROM moved
RETURNING path, payload;
