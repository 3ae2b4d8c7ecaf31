-- Those that others hold are theirs, or another's to prune: nothing is waited for.
DELETE FROM sp00ky_receipt WHERE (sender, key) IN (
    SELECT sender, key FROM sp00ky_receipt WHERE kept_at < :expired
    ORDER BY kept_at LIMIT 500 FOR UPDATE SKIP LOCKED
)
