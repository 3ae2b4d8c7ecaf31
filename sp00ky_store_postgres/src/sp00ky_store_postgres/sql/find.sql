SELECT {{columns}}
FROM ({{halves}}) AS job
ORDER BY job.created_at {{order}}, job.id {{order}}
LIMIT {{limit}}
