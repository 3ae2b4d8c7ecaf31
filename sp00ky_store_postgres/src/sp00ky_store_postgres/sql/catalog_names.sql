-- Which of some names are those of a schema's relations, and of an index, whose it is.
SELECT relation.relname::text AS name, relation.relkind::text AS kind, owner.relname::text AS owner
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_index AS detail ON detail.indexrelid = relation.oid
LEFT JOIN pg_class AS owner ON owner.oid = detail.indrelid
WHERE namespace.nspname = $1 AND relation.relname = ANY ($2::text[])
