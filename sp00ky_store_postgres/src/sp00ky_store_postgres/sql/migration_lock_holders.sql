-- Who has the lock under which a schema is migrated. Since when a session runs isn't shown to every role.
SELECT session.pid, session.application_name, session.usename::text AS role, session.backend_start AS since
FROM pg_locks AS held
JOIN pg_stat_activity AS session ON session.pid = held.pid
WHERE
    held.locktype = 'advisory' AND held.objsubid = 1 AND held.granted
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended('sp00ky:' || $1::text, 0)
