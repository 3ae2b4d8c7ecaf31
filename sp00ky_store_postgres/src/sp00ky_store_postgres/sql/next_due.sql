-- One table's next due time, in seconds from now.
(
    SELECT extract(epoch FROM job.run_at - now())::float8 AS seconds
    FROM {{table}} AS job
    WHERE job.status = 'pending' {{left_out}} {{unpaused}}
    ORDER BY job.run_at, job.id
    LIMIT 1
)
