-- What hangs on a table: its indexes (and what is unique by one), CHECKs and triggers, and whether each is in force.
SELECT 'index' AS kind, index.relname::text AS name, detail.indisvalid AS valid
FROM pg_index AS detail
JOIN pg_class AS index ON index.oid = detail.indexrelid
WHERE detail.indrelid = $1::text::regclass
UNION ALL
SELECT 'unique', attribute.attname::text, detail.indisvalid
FROM pg_index AS detail
JOIN pg_attribute AS attribute
    ON attribute.attrelid = detail.indrelid AND attribute.attnum = detail.indkey[0]
WHERE detail.indrelid = $1::text::regclass AND detail.indisunique AND detail.indnkeyatts = 1
  AND detail.indpred IS NULL
UNION ALL
SELECT 'check', con.conname::text, con.convalidated
FROM pg_constraint AS con
WHERE con.conrelid = $1::text::regclass AND con.contype = 'c'
UNION ALL
SELECT 'trigger', tg.tgname::text, tg.tgenabled IN ('O', 'A')
FROM pg_trigger AS tg
WHERE tg.tgrelid = $1::text::regclass AND NOT tg.tgisinternal
UNION ALL
SELECT 'option', option, true
FROM pg_class AS relation, unnest(relation.reloptions) AS option
WHERE relation.oid = $1::text::regclass
