-- What hangs on a table: its indexes (and what is unique by one), CHECKs and triggers; whether each is in force, and
-- what it says: an index by its columns and its condition, a trigger by the function that it calls.
SELECT
    'index' AS kind, index.relname::text AS name, detail.indisvalid AS valid,
    ARRAY(
        SELECT pg_get_indexdef(index.oid, place, false) FROM generate_series(1, detail.indnkeyatts) AS place ORDER BY place
    ) AS columns,
    detail.indisunique AS is_unique, pg_get_expr(detail.indpred, detail.indrelid) AS text
FROM pg_index AS detail
JOIN pg_class AS index ON index.oid = detail.indexrelid
WHERE detail.indrelid = $1::text::regclass
UNION ALL
SELECT 'unique', attribute.attname::text, detail.indisvalid, '{}', true, NULL
FROM pg_index AS detail
JOIN pg_attribute AS attribute
    ON attribute.attrelid = detail.indrelid AND attribute.attnum = detail.indkey[0]
WHERE detail.indrelid = $1::text::regclass AND detail.indisunique AND detail.indnkeyatts = 1
  AND detail.indpred IS NULL
UNION ALL
SELECT 'check', con.conname::text, con.convalidated, '{}', false, pg_get_expr(con.conbin, con.conrelid)
FROM pg_constraint AS con
WHERE con.conrelid = $1::text::regclass AND con.contype = 'c'
UNION ALL
SELECT
    'trigger', tg.tgname::text, tg.tgenabled IN ('O', 'A'), ARRAY[namespace.nspname::text, function.proname::text], false,
    function.prosrc
FROM pg_trigger AS tg
JOIN pg_proc AS function ON function.oid = tg.tgfoid
JOIN pg_namespace AS namespace ON namespace.oid = function.pronamespace
WHERE tg.tgrelid = $1::text::regclass AND NOT tg.tgisinternal
UNION ALL
SELECT 'option', option, true, '{}', false, NULL
FROM pg_class AS relation, unnest(relation.reloptions) AS option
WHERE relation.oid = $1::text::regclass
