-- The foreign keys that keep a table's rows from being deleted.
SELECT con.conrelid::regclass::text AS referrer, quote_ident(con.conname) AS name
FROM pg_constraint AS con
WHERE con.contype = 'f' AND con.confrelid = $1::text::regclass AND con.confdeltype IN ('a', 'r') AND con.conparentid = 0
ORDER BY 1, 2
