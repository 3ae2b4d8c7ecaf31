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
