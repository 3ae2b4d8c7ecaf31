-- index recent: listing, watching and clearing jobs read the whole table
CREATE INDEX {{concurrently}}{{name}} ON {{table}} (created_at, id) WITH (fillfactor = 50) WHERE status <> 'processing'

-- dropped newest: each claim maintains an index that nothing reads
DROP INDEX {{concurrently}}IF EXISTS {{qualified}}
