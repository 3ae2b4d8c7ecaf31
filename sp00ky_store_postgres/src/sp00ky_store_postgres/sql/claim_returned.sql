-- A payload that is too long isn't even read: a few of them would fill the memory of each runner in turn.
{{number}} AS table_number, job.id, job.path,
CASE WHEN octet_length(job.payload::text) <= {{longest}} THEN convert_to(job.payload::text, 'UTF8') END AS payload,
job.retries, job.max_retries, job.retry_strategy, job.timeout, job.assigned_to, job.dedup_key,
job.traceparent, job.created_at, job.run_at, job.lease_epoch, job.lease_until,
{{deferred_since}},
job.priority, job.ordering_key, job.ordering_at, job.expires_at
