-- column sp00ky_schedule.job_table: no schedule makes jobs
ALTER TABLE {{sp00ky_schedule}} ADD COLUMN IF NOT EXISTS job_table text
