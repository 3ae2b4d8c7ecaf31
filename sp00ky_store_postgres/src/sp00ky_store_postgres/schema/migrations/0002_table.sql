-- column deferred_since: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS deferred_since timestamp with time zone
