-- index lease: each search for lost jobs, and each claim of a backend with ordering keys or limits, reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (lease_until)
-- Jobs in progress, and those whose request may still be under way: for both, one entry of eight bytes at a claim.
WHERE status = 'processing' OR lease_until IS NOT NULL

-- dropped held: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- dropped leased: each lost or killed job maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- check max_retries: a max_retries that no runner can work with can be written
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (max_retries BETWEEN 0 AND 1000) NOT VALID

-- validated max_retries: a row that is there may have a max_retries that no runner can work with
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}

-- check timeout: a timeout that no runner can work with can be written
ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (timeout > 0 AND timeout < 'Infinity') NOT VALID

-- validated timeout: a row that is there may have a timeout that no runner can work with
ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}
