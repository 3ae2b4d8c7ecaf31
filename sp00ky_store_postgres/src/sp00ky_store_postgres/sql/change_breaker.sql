-- Written only if the breaker is as the change says it was before; with what it is now.
WITH written AS (
    INSERT INTO {{breaker}} AS breaker (backend, state, failures, paused_until)
    SELECT $1, $5, $6, now() + $7::float8 * interval '1 second'
    WHERE NOT $2::boolean AND $3::integer = 0 AND $4::text IS NULL
       OR EXISTS (SELECT FROM {{breaker}} AS breaker WHERE breaker.backend = $1)
    ON CONFLICT (backend) DO UPDATE
    SET state = excluded.state,
        failures = excluded.failures,
        paused_until = greatest({{pause_end}}, excluded.paused_until),
        probe_runner = CASE WHEN $8::boolean THEN breaker.probe_runner END,
        probe_until = CASE WHEN $8::boolean THEN breaker.probe_until END
    WHERE (breaker.state <> 'closed') = $2
      AND breaker.failures = $3
      AND breaker.probe_runner IS NOT DISTINCT FROM $4
    RETURNING breaker.*
)
SELECT true, {{breaker_read}} FROM written AS breaker
UNION ALL
SELECT false, {{breaker_read}} FROM {{breaker}} AS breaker WHERE breaker.backend = $1 AND NOT EXISTS (SELECT FROM written)
