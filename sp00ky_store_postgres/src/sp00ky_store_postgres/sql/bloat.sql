-- Statistics are forgotten in a crash, what the last vacuum counted isn't.
SELECT
    greatest(stat.n_live_tup, relation.reltuples)::bigint AS live, stat.n_dead_tup AS dead,
    pg_relation_size(stat.relid) AS bytes,
    coalesce('autovacuum_enabled=false' = ANY (relation.reloptions), false)
        OR coalesce('autovacuum_enabled=off' = ANY (relation.reloptions), false) AS never_vacuumed
FROM pg_stat_user_tables AS stat
JOIN pg_class AS relation ON relation.oid = stat.relid
WHERE stat.relid = $1::text::regclass
