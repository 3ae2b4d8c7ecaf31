-- Which rights this role lacks: on the schema (no name), and on each of some relations that are there. Asked by
-- the catalog, which answers a role that may do nothing at all.
SELECT current_user::text AS role, NULL AS name, ARRAY['USAGE'] AS privileges
FROM pg_namespace AS namespace
WHERE namespace.nspname = $1 AND NOT has_schema_privilege(namespace.oid, 'USAGE')
UNION ALL
SELECT current_user::text, relation.relname::text, array_agg(wanted.privilege ORDER BY wanted.number)
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (name, privilege, number)
JOIN pg_class AS relation ON relation.relname = wanted.name
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = $1 AND NOT has_table_privilege(relation.oid, wanted.privilege)
GROUP BY relation.relname
