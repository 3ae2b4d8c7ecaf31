SELECT count(*) FROM ONLY {{table}} AS job WHERE {{conditions}}
