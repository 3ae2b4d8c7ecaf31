-- A relation's kind (r: a plain table) and columns; no row: there is no such relation.
SELECT
    relation.relkind::text AS kind, attribute.attname::text AS name,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    attribute.attnotnull AND NOT attribute.atthasdef AND attribute.attidentity = '' AS must_be_given
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
WHERE namespace.nspname = $1 AND relation.relname = $2
