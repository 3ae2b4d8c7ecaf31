AND NOT EXISTS (
    SELECT FROM breakers AS breaker
    WHERE breaker.backend = {{backend}} AND (breaker.state <> 'closed' OR {{pause_end}} IS NOT NULL)
)
