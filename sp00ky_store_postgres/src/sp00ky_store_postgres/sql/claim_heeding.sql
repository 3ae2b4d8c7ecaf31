AND NOT EXISTS (
    SELECT FROM {{breaker}} AS breaker
    WHERE breaker.backend = {{backend}} AND (breaker.state <> 'closed' OR breaker.paused_until > now())
)
