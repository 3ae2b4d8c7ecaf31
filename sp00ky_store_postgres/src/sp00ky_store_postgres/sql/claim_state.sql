-- The pauses of operators that hold now, and the breakers that are not as if new; read once for all of a claim.
pauses AS MATERIALIZED (
    SELECT control.backend, control.paused_until
    FROM {{control}} AS control
    WHERE control.backend IN ({{backends}}) AND {{paused}}
),
breakers AS MATERIALIZED (
    SELECT breaker.*
    FROM {{breaker}} AS breaker
    WHERE breaker.backend IN ({{backends}})
      AND (breaker.state <> 'closed' OR breaker.failures <> 0 OR {{pause_end}} IS NOT NULL)
)
