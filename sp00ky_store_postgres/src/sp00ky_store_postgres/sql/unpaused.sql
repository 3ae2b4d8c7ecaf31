-- Neither is the backend paused, nor is its probe under way.
AND NOT EXISTS (
    SELECT FROM {{breaker}} AS breaker
    WHERE breaker.backend = {{backend}}
      AND ({{pause_end}} IS NOT NULL OR breaker.state <> 'closed' AND {{probe_end}} IS NOT NULL)
)
