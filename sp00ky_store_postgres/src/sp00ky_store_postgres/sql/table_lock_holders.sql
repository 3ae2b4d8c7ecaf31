-- Who has locks on the tables of a schema, of which ALTER TABLE and CREATE TRIGGER wait for some.
SELECT DISTINCT session.pid, session.application_name, session.usename::text AS role, session.xact_start AS since
FROM pg_locks AS held
JOIN pg_class AS relation ON relation.oid = held.relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
JOIN pg_stat_activity AS session ON session.pid = held.pid
WHERE
    namespace.nspname = $1 AND relation.relkind = 'r' AND held.granted AND held.pid <> pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LIMIT 5
