SELECT {{columns}} FROM {{table}} AS job WHERE job.id = ANY ($1::uuid[])
