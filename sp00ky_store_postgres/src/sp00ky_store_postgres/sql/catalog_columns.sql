-- A relation's kind (r: a plain table) and columns; no row: there is no such relation.
SELECT
    CASE WHEN relation.relhassubclass THEN 'p' ELSE relation.relkind::text END AS kind, attribute.attname::text AS name,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    attribute.attnotnull AS not_null,
    attribute.atthasdef OR attribute.attidentity <> '' AS has_default
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
WHERE namespace.nspname = $1 AND relation.relname = $2
