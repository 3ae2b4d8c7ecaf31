-- A breaker as JSON, by the database's clock; `breakers.py` reads it.
json_build_object(
    'backend', breaker.backend,
    'state', CASE
        WHEN breaker.state = 'closed' THEN 'closed'
        WHEN breaker.probe_until > now() THEN 'half_open'
        ELSE 'open'
    END,
    'failures', breaker.failures,
    'paused_for', greatest(extract(epoch FROM breaker.paused_until - now()), 0),
    'probe_runner', breaker.probe_runner,
    'probe_for', greatest(extract(epoch FROM breaker.probe_until - now()), 0)
)::text
