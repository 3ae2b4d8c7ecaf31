-- function sp00ky_refuse_row: rows that no runner can work with can be written
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_row}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
    -- Called only for a row that breaks a rule.
BEGIN
    RAISE check_violation USING
        MESSAGE = format('new row of %s violates check constraint "%s"', TG_TABLE_NAME, TG_NAME),
        DETAIL = 'path is not empty; retries are 0 to 1000; priority is 0 to 3; '
            'ordering_key has 1 to 255 characters, and an ordering_at; instants are within the years 1 to 9999',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$

-- index recent: listing, watching and clearing jobs read the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (created_at, id) WITH (fillfactor = 50) WHERE status <> 'processing'

-- dropped newest: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- check written: times that no client can read can be written, such as one in the year 10000
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (
    -- Of what claims and settles write, and no more: a CHECK is read with each statement and evaluated for each row.
    least(updated_at, lease_until, deferred_since) >= '0001-01-02 00:00:00+00'
    AND greatest(updated_at, lease_until, deferred_since) <= '9999-12-30 00:00:00+00'
) NOT VALID

-- validated written: rows that are there may hold times that no client can read
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}

-- dropped path: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped retries: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped instants: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped deferred: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}

-- dropped steering: each claim and each settle reads and evaluates one more CHECK
ALTER TABLE {{table}} DROP CONSTRAINT IF EXISTS {{name}}
