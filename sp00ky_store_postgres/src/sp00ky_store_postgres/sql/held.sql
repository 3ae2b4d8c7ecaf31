-- What a release would give back.
SELECT held.id
FROM ONLY {{table}} AS held
WHERE held.status = 'processing' AND held.runner_id = $1 AND held.id <> ALL ($2::uuid[])
