(SELECT FROM ONLY {{table}} AS job WHERE job.status {{sign}} 'processing' AND {{conditions}})
