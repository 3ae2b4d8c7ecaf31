-- The jobs without an ordering key that became due last, of each priority.
SELECT latest.place
FROM (VALUES (3), (2), (1), (0)) AS level (priority)
CROSS JOIN LATERAL (
    SELECT due.ctid AS place
    FROM ONLY {{table}} AS due
    WHERE due.status = 'pending'
      AND due.ordering_key IS NULL
      AND due.priority = level.priority
      AND due.run_at <= now()
      {{left_out}}
    ORDER BY due.run_at DESC, due.id DESC
    LIMIT {{limit}}
) AS latest
