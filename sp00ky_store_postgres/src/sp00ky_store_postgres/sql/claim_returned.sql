{{number}} AS table_number, job.id, job.path, convert_to(job.payload::text, 'UTF8') AS payload,
job.retries, job.max_retries, job.retry_strategy, job.timeout, job.assigned_to, job.dedup_key,
job.traceparent, job.created_at, job.run_at, job.lease_epoch, job.lease_until
