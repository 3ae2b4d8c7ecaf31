-- How many jobs wait in a table, up to 10,000.
SELECT count(*) FROM (SELECT FROM ONLY {{table}} AS job WHERE job.status IN ('pending', 'processing') LIMIT 10000) AS job
