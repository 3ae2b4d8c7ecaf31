-- The rows that a claim would take.
SELECT due.id
FROM {{table}} AS due
WHERE due.status = 'pending' AND due.run_at <= now() AND due.run_at >= $1 {{left_out}}
ORDER BY due.run_at, due.id
LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
