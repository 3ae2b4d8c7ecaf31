-- The breakers that are not as if new, in the columns of a claim's rows; by the same snapshot as the claim.
SELECT -1, NULL, {{read}}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM {{breaker}} AS breaker
WHERE breaker.backend IN ({{backends}})
  AND (breaker.state <> 'closed' OR breaker.failures <> 0 OR breaker.paused_until > now())
