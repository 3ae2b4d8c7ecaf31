-- One half of a search: the rows that are processing, or all others, which have an index in the order of their creation.
(
    SELECT job.*
    FROM ONLY {{table}} AS job
    WHERE job.status {{sign}} 'processing' AND {{conditions}}
    ORDER BY job.created_at {{order}}, job.id {{order}}
    LIMIT {{limit}}
)
