-- column claimed_at: no outcome can be written
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS claimed_at timestamp with time zone
