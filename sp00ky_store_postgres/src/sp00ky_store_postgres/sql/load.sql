SELECT {{columns}} FROM ONLY {{table}} AS job WHERE job.id = ANY ($1::uuid[])
