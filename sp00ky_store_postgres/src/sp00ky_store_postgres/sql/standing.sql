-- Whether a crash of the server empties a table, and how much of it row-level security shows to this role.
SELECT
    relation.relpersistence = 'u' AS unlogged,
    current_user::text AS role,
    CASE
        WHEN NOT row_security_active(relation.oid) OR policies.shows_all THEN 'all'
        WHEN policies.shows_some THEN 'some'
        ELSE 'none'
    END AS shown
FROM pg_class AS relation
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(policy.polpermissive), false) AS shows_some,
        coalesce(
            bool_or(policy.admits AND policy.polcmd IN ('*', 'r'))
            AND bool_or(policy.admits AND policy.polcmd IN ('*', 'w'))
            AND bool_and(policy.polpermissive),
            false
        ) AS shows_all
    FROM (
        SELECT pol.*, pg_get_expr(pol.polqual, pol.polrelid) = 'true' AS admits
        FROM pg_policy AS pol
        WHERE pol.polrelid = relation.oid
          AND EXISTS (
              SELECT
              FROM unnest(pol.polroles) AS role (oid)
              WHERE CASE role.oid WHEN 0 THEN true ELSE pg_has_role(role.oid, 'USAGE') END
          )
    ) AS policy
) AS policies
WHERE relation.oid = $1::text::regclass
