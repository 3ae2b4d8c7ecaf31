-- An answer, or (without a status) a request that is being answered. kept_at: seconds since 1970.
CREATE TABLE IF NOT EXISTS sp00ky_receipt (
    sender text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    kept_at double precision NOT NULL,
    status integer,
    headers text,
    body bytea,
    PRIMARY KEY (sender, key)
)
