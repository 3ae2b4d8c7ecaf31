-- A breaker as JSON, by the database's clock; `fleet/breaker.py` reads it. Whatever instants a client has written, for ever
-- among them, seconds are what comes out: ten years at most.
json_build_object(
    'backend', breaker.backend,
    'state', CASE
        WHEN breaker.state = 'closed' THEN 'closed'
        WHEN breaker.probe_until > now() THEN 'half_open'
        ELSE 'open'
    END,
    'failures', breaker.failures,
    'paused_for', extract(
        epoch FROM least(greatest(breaker.paused_until, now()), now() + interval '3650 days') - now()
    ),
    'probe_runner', breaker.probe_runner,
    'probe_for', extract(
        epoch FROM least(greatest(breaker.probe_until, now()), now() + interval '3650 days') - now()
    )
)::text
