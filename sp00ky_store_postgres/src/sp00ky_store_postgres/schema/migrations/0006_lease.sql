-- index lease: each search for lost jobs, and each claim of a backend with ordering keys or limits, reads the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (lease_until)
-- Jobs in progress, and those whose request may still be under way: for both, one entry of eight bytes at a claim.
WHERE status = 'processing' OR lease_until IS NOT NULL
