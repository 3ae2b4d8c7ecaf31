UPDATE sp00ky_receipt SET status = :status, headers = :headers, body = :body
WHERE sender = :sender AND key = :key AND status IS NULL AND fingerprint = :fingerprint
RETURNING 1
