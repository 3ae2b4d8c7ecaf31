-- Whether a crash of the server empties a table.
SELECT relation.relpersistence = 'u' AS unlogged FROM pg_class AS relation WHERE relation.oid = $1::text::regclass
