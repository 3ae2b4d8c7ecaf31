-- NOT IN is hashed, whatever kinds of joins the session allows.
SELECT keys.place, keys.priority, keys.run_at, keys.id
FROM {{keys}} AS keys
WHERE keys.status = 'pending'
  AND keys.run_at <= now()
  AND NOT EXISTS (
      SELECT FROM ONLY {{table}} AS held
      WHERE held.ordering_key = keys.ordering_key AND held.status = 'processing'
  )
  AND keys.ordering_key NOT IN (
      SELECT job.ordering_key FROM ONLY {{table}} AS job WHERE job.ordering_key IS NOT NULL AND {{leased}}
  )
  {{left_out}}
