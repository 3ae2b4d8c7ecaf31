-- The CHECKs that read assigned_to.
SELECT quote_ident(con.conname) AS name, pg_get_expr(con.conbin, con.conrelid) AS expression
FROM pg_constraint AS con
JOIN pg_attribute AS assigned ON assigned.attrelid = con.conrelid AND assigned.attnum = ANY (con.conkey)
WHERE con.contype = 'c' AND con.conrelid = $1::text::regclass AND assigned.attname = 'assigned_to'
ORDER BY 1
