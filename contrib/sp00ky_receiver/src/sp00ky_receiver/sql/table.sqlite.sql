-- An answer, or (without a status) a request that is being answered. kept_at: seconds since 1970.
CREATE TABLE IF NOT EXISTS sp00ky_receipt (
    sender TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    kept_at REAL NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    PRIMARY KEY (sender, key)
)
