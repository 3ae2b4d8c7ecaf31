-- A concurrent claim of the same key waits here until this transaction ends. A row without a status is of a
-- transaction that was committed without an answer to keep: as if it weren't there.
INSERT INTO sp00ky_receipt AS receipt (sender, key, fingerprint, kept_at)
VALUES (:sender, :key, :fingerprint, :now)
ON CONFLICT (sender, key) DO UPDATE
SET fingerprint = excluded.fingerprint, kept_at = excluded.kept_at, status = NULL, headers = NULL, body = NULL
WHERE receipt.status IS NULL OR receipt.kept_at < :expired
RETURNING 1
