-- column claimed_max_retries: no job can be enqueued or delivered
ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS claimed_max_retries integer

-- function sp00ky_refuse_claimed: rows that hold what a claim writes can be inserted
CREATE OR REPLACE FUNCTION {{sp00ky_refuse_claimed}}() RETURNS trigger
LANGUAGE plpgsql AS $function$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('job %s: claimed_max_retries isn''t null, as a new job''s is: leave it out', NEW.id),
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$

-- trigger unclaimed: rows that hold what a claim writes can be inserted
CREATE TRIGGER {{name}} BEFORE INSERT ON {{table}}
FOR EACH ROW
WHEN (NEW.claimed_max_retries IS NOT NULL)
EXECUTE FUNCTION {{sp00ky_refuse_claimed}}()
