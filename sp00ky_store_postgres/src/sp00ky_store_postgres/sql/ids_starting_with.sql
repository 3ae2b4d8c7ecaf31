SELECT job.id FROM ONLY {{table}} AS job WHERE job.id BETWEEN $1::text::uuid AND $2::text::uuid ORDER BY job.id LIMIT $3
