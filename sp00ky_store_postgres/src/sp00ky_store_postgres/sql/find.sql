SELECT {{columns}}
FROM ONLY {{table}} AS job
WHERE {{conditions}}
ORDER BY job.created_at {{order}}, job.id {{order}}
LIMIT {{limit}}
