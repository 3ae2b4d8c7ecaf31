-- Jobs without an ordering key that are due, a higher priority first, then the oldest: scans of one index, one for each
-- priority, each begun only where those before it found too few. So what is due later costs nothing, however much it is.
SELECT ready.place, ready.priority, ready.run_at, ready.id
FROM (
    VALUES (3, {{since_3}}), (2, {{since_2}}), (1, {{since_1}}), (0, {{since_0}})
) AS level (priority, since)
CROSS JOIN LATERAL (
    SELECT due.ctid AS place, due.priority, due.run_at, due.id
    FROM ONLY {{table}} AS due
    WHERE due.status = 'pending'
      AND due.ordering_key IS NULL
      AND due.priority = level.priority
      AND due.run_at <= now()
      AND due.run_at >= level.since
      {{left_out}}
    ORDER BY due.run_at, due.id
    LIMIT {{limit}}
    {{locking}}
) AS ready
WHERE true {{heeding}}
LIMIT {{limit}}
