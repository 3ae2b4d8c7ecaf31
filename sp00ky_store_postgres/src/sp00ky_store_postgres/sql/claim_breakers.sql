-- The breakers that are not as if new, in the columns of a claim's rows; by the same snapshot as the claim.
-- -2: one that is open, and something is due that could be its probe; -1: any other.
SELECT CASE WHEN breaker.state <> 'closed' AND ({{may_probe}}) THEN -2 ELSE -1 END, NULL, {{read}}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM {{breaker}} AS breaker
WHERE breaker.backend IN ({{backends}})
  AND (breaker.state <> 'closed' OR breaker.failures <> 0 OR breaker.paused_until > now())
