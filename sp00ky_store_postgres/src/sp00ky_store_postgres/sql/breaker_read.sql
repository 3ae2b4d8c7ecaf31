-- A breaker as JSON, by the database's clock; `fleet/breaker.py` reads it.
json_build_object(
    'backend', breaker.backend,
    'state', CASE
        WHEN breaker.state = 'closed' THEN 'closed'
        WHEN {{probe_end}} IS NOT NULL THEN 'half_open'
        ELSE 'open'
    END,
    'failures', breaker.failures,
    'paused_for', coalesce(extract(epoch FROM {{pause_end}} - now()), 0),
    'probe_runner', breaker.probe_runner,
    'probe_for', coalesce(extract(epoch FROM {{probe_end}} - now()), 0)
)::text
