SELECT {{columns}}
FROM {{table}} AS job
WHERE {{conditions}}
ORDER BY job.created_at {{order}}, job.id {{order}}
LIMIT {{limit}}
