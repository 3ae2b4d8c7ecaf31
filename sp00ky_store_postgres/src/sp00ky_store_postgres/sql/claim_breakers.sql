-- The breakers, in the columns of a claim's rows; by the same snapshot as the claim.
-- -2: one that is open, and something is due that could be its probe; -1: any other.
SELECT CASE WHEN breaker.state <> 'closed' AND ({{may_probe}}) THEN -2 ELSE -1 END, NULL, {{breaker_read}}, {{nulls}}
FROM breakers AS breaker
