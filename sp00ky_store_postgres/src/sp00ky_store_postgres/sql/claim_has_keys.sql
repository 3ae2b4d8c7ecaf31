-- A row if there are jobs with an ordering key.
{{keys}} AS MATERIALIZED (
    SELECT 1
    FROM ONLY {{table}} AS job
    WHERE job.ordering_key IS NOT NULL AND job.status IN ('pending', 'processing')
    LIMIT 1
)
