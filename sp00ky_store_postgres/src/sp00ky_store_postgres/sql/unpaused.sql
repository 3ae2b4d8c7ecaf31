-- Neither is the backend paused, nor is its probe under way.
AND NOT EXISTS (
    SELECT FROM {{breaker}} AS breaker
    WHERE breaker.backend = {{backend}}
      AND (breaker.paused_until > now() OR breaker.state <> 'closed' AND breaker.probe_until > now())
)
