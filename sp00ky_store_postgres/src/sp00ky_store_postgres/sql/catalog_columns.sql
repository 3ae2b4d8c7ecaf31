-- A relation's kind (r: a plain table) and columns; no row: there is no such relation. What holds of a domain, or of one
-- that it is made of, holds of a column.
SELECT
    relation.relkind::text AS kind, attribute.attname::text AS name,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    attribute.attnotnull OR domains.not_null AS not_null,
    attribute.atthasdef OR attribute.attidentity <> '' OR domains.has_default AS has_default
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
CROSS JOIN LATERAL (
    WITH RECURSIVE part AS (
        SELECT * FROM pg_type WHERE oid = attribute.atttypid AND typtype = 'd'
        UNION ALL
        SELECT inner_type.* FROM part JOIN pg_type AS inner_type ON inner_type.oid = part.typbasetype AND inner_type.typtype = 'd'
    )
    SELECT
        coalesce(bool_or(part.typnotnull), false) AS not_null,
        coalesce(bool_or(part.typdefault IS NOT NULL AND part.oid = attribute.atttypid), false) AS has_default
    FROM part
) AS domains
WHERE namespace.nspname = $1 AND relation.relname = $2
