-- What the rows are that a batch didn't write.
SELECT given.n, job.lease_epoch AS epoch, job.status, {{runner_id}} AS runner
FROM unnest($1::int[], $2::uuid[]) WITH ORDINALITY AS given (table_number, id, n)
LEFT JOIN ONLY {{table}} AS job ON job.id = given.id
WHERE given.table_number = {{number}}
