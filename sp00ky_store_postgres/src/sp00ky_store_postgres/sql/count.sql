SELECT count(*) FROM ({{halves}}) AS job
