AND NOT EXISTS (
    SELECT FROM breakers AS breaker
    WHERE breaker.backend = {{backend}} AND (breaker.state <> 'closed' OR breaker.paused_until > now())
)
