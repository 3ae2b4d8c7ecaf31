-- Whether a crash of the server empties a table, and whether row-level security binds this role.
SELECT
    relation.relpersistence = 'u' AS unlogged, row_security_active(relation.oid) AS has_row_security,
    current_user::text AS role
FROM pg_class AS relation
WHERE relation.oid = $1::text::regclass
