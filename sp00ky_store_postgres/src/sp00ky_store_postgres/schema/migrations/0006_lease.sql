-- index lease: each search for lost jobs, and each claim of a backend with ordering keys or limits, reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (lease_until)
-- Jobs in progress, and those whose request may still be under way: for both, one entry of eight bytes at a claim.
WHERE status = 'processing' OR lease_until IS NOT NULL

-- dropped held: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}

-- dropped leased: each lost or killed job maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}
