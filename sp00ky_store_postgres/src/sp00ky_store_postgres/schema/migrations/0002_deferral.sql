-- column sp00ky_migration.min_compatible: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_migration}} ADD COLUMN IF NOT EXISTS min_compatible integer

-- column sp00ky_runner.version: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_runner}} ADD COLUMN IF NOT EXISTS version text NOT NULL DEFAULT ''

-- column sp00ky_runner.documents: no job can be enqueued or delivered
ALTER TABLE {{sp00ky_runner}} ADD COLUMN IF NOT EXISTS documents json NOT NULL DEFAULT '{}'

-- column deferred_since: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS deferred_since timestamp with time zone
