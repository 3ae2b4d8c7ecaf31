CREATE TABLE IF NOT EXISTS customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    wants_digest boolean NOT NULL DEFAULT true
);

INSERT INTO customer (email, wants_digest)
VALUES ('ada@example.com', true), ('bob@example.com', false), ('cyd@example.com', true)
ON CONFLICT DO NOTHING;
