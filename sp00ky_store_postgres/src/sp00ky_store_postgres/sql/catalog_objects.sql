-- A table's indexes, CHECKs and triggers; whether each is in force.
SELECT 'index' AS kind, index.relname::text AS name, detail.indisvalid AS valid
FROM pg_index AS detail
JOIN pg_class AS index ON index.oid = detail.indexrelid
WHERE detail.indrelid = $1::text::regclass
UNION ALL
SELECT 'check', con.conname::text, con.convalidated
FROM pg_constraint AS con
WHERE con.conrelid = $1::text::regclass AND con.contype = 'c'
UNION ALL
SELECT 'trigger', tg.tgname::text, tg.tgenabled IN ('O', 'A')
FROM pg_trigger AS tg
WHERE tg.tgrelid = $1::text::regclass AND NOT tg.tgisinternal
