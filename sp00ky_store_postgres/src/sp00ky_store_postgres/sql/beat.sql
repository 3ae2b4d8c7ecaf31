-- A runner's sign of life, and everybody's last one. Those who have been silent for a day are removed; a row that
-- another beat removes just now is left to it, so that no beat waits for another.
WITH own AS (
    INSERT INTO {{runner}} AS runner (id, host, pid, version, documents, in_flight, slots, draining)
    VALUES ($1, $2, $3, $4::text, $5::text::json, $6::text::json, $7::text::json, $8::boolean)
    ON CONFLICT (id) DO UPDATE
    SET beat_at = clock_timestamp(), version = excluded.version, documents = excluded.documents,
        in_flight = excluded.in_flight, slots = excluded.slots, draining = runner.draining OR excluded.draining
    RETURNING runner.*
), gone AS (
    DELETE FROM {{runner}} AS runner
    WHERE runner.id = ANY (ARRAY(
        SELECT silent.id
        FROM {{runner}} AS silent
        WHERE silent.beat_at < now() - interval '1 day' AND silent.id <> $1
        FOR UPDATE SKIP LOCKED
    ))
)
SELECT {{runner_columns}} FROM own AS runner
UNION ALL
SELECT {{runner_columns}}
FROM {{runner}} AS runner
WHERE runner.id <> $1 AND runner.beat_at >= now() - interval '1 day'
