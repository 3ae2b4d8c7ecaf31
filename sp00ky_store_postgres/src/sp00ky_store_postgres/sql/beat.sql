-- A runner's sign of life, and everybody's last one.
WITH own AS (
    INSERT INTO {{runner}} AS runner (id, host, pid)
    VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp()
    RETURNING id, beat_at
)
SELECT id, beat_at FROM own
UNION ALL
SELECT runner.id, runner.beat_at FROM {{runner}} AS runner WHERE runner.id <> $1
