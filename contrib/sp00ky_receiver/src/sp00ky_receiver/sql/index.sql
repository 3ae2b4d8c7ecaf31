CREATE INDEX IF NOT EXISTS sp00ky_receipt_kept_at ON sp00ky_receipt (kept_at)
