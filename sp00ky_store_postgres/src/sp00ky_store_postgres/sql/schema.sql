-- What the tables are like, and who waits.


-- name: catalog_columns
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


-- name: catalog_objects
-- A table's indexes, CHECKs and triggers; whether each is in force.
SELECT 'index' AS kind, index.relname::text AS name, detail.indisvalid AS valid
FROM pg_index AS detail
JOIN pg_class AS index ON index.oid = detail.indexrelid
WHERE detail.indrelid = $1::text::regclass
UNION ALL
SELECT 'check', con.conname::text, con.convalidated
FROM pg_constraint AS con
WHERE con.conrelid = $1::text::regclass AND con.contype = 'c'
UNION ALL
SELECT 'trigger', tg.tgname::text, tg.tgenabled IN ('O', 'A')
FROM pg_trigger AS tg
WHERE tg.tgrelid = $1::text::regclass AND NOT tg.tgisinternal


-- name: catalog_schema
-- The schema, and its functions.
SELECT 'schema' AS kind, '' AS name FROM pg_namespace WHERE nspname = $1
UNION ALL
SELECT 'function', function.proname::text
FROM pg_proc AS function JOIN pg_namespace AS namespace ON namespace.oid = function.pronamespace
WHERE namespace.nspname = $1


-- name: rights
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


-- name: deferred
-- How many jobs have been deferred since before an instant ($1), and since when, among those that haven't ended: each part
-- can be read by an index.
SELECT count(*) AS count, greatest(min(job.deferred_since), '0001-01-02 00:00:00+00'::timestamptz) AS since
FROM (
    SELECT waiting.deferred_since FROM ONLY {{table}} AS waiting
    WHERE waiting.status = 'pending' AND waiting.ordering_key IS NULL
    UNION ALL
    SELECT waiting.deferred_since FROM ONLY {{table}} AS waiting
    WHERE waiting.ordering_key IS NOT NULL AND waiting.status IN ('pending', 'processing') AND waiting.status = 'pending'
) AS job
WHERE job.deferred_since < $1::timestamptz


-- name: table_state
-- Whether a crash of the server empties a table, whether row-level security binds this role, and what vacuum has left.
-- Statistics are forgotten in a crash, what the last vacuum counted isn't.
SELECT
    relation.relpersistence = 'u' AS unlogged, row_security_active(relation.oid) AS has_row_security,
    current_user::text AS role,
    greatest(stat.n_live_tup, relation.reltuples)::bigint AS live, coalesce(stat.n_dead_tup, 0) AS dead,
    pg_relation_size(relation.oid) AS bytes,
    coalesce(relation.reloptions && ARRAY['autovacuum_enabled=false', 'autovacuum_enabled=off'], false) AS never_vacuumed
FROM pg_class AS relation
LEFT JOIN pg_stat_user_tables AS stat ON stat.relid = relation.oid
WHERE relation.oid = $1::text::regclass


-- name: assigned_checks
-- The CHECKs that read assigned_to.
SELECT quote_ident(con.conname) AS name, pg_get_expr(con.conbin, con.conrelid) AS expression
FROM pg_constraint AS con
JOIN pg_attribute AS assigned ON assigned.attrelid = con.conrelid AND assigned.attnum = ANY (con.conkey)
WHERE con.contype = 'c' AND con.conrelid = $1::text::regclass AND assigned.attname = 'assigned_to'
ORDER BY 1


-- name: check_of_nothing
-- Whether a CHECK refuses a row in which every column is null.
SELECT ({{expression}}) IS FALSE FROM (SELECT (NULL::{{table}}).*) AS nothing


-- name: references
-- The foreign keys that keep a table's rows from being deleted.
SELECT quote_ident(con.conname) AS name, con.conrelid::regclass::text AS referrer
FROM pg_constraint AS con
WHERE con.contype = 'f' AND con.confrelid = $1::text::regclass AND con.confdeltype IN ('a', 'r') AND con.conparentid = 0
ORDER BY 2, 1


-- name: waiting
-- How many jobs wait in a table, up to so many.
SELECT count(*) FROM (SELECT FROM ONLY {{table}} AS job WHERE job.status IN ('pending', 'processing') LIMIT {{most}}) AS job


-- name: table_lock_holders
-- Who has locks on the tables of a schema, of which ALTER TABLE and CREATE TRIGGER wait for some.
{{lock_holders}}
JOIN pg_class AS relation ON relation.oid = held.relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = $1 AND relation.relkind = 'r' AND held.pid <> pg_backend_pid() AND {{is_held_here}}
LIMIT 5


-- name: migration_lock_holders
-- Who has the lock under which a schema is migrated.
{{lock_holders}}
WHERE held.locktype = 'advisory' AND held.objsubid = 1 AND {{is_held_here}}
    AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended('sp00ky:' || $1::text, 0)


-- name: lock_holders
-- Since when a session or its transaction runs isn't shown to every role.
SELECT DISTINCT
    session.pid, session.application_name, session.usename::text AS role,
    coalesce(session.xact_start, session.backend_start) AS since
FROM pg_locks AS held
JOIN pg_stat_activity AS session ON session.pid = held.pid


-- name: is_held_here
held.granted AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: standbys
-- How many standbys stream from here that no commit of this role waits for. Roles that may not read statistics see that
-- there are senders, not what they send: those of logical slots are told by the slots.
SELECT count(*) FROM pg_stat_replication AS sender
WHERE sender.state IS DISTINCT FROM 'backup'
    AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE active_pid = sender.pid AND slot_type = 'logical')
    AND (
        current_setting('synchronous_standby_names') = ''
        OR current_setting('synchronous_commit') IN ('local', 'off')
    )
