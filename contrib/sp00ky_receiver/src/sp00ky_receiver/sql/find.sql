SELECT fingerprint, status, headers, body FROM sp00ky_receipt
WHERE sender = :sender AND key = :key AND status IS NOT NULL
