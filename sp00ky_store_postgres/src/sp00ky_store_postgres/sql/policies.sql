-- What row-level security lets this role do: how much of a table it may read, update and delete, and how much of what it
-- writes by an UPDATE is taken (all, some, none); each with its condition. No rows: it isn't bound.
WITH side (name, command, is_check) AS (
    VALUES ('read', 'r', false), ('update', 'w', false), ('write', 'w', true), ('delete', 'd', false)
),
policy AS (
    SELECT
        pol.polcmd::text AS command, pol.polpermissive AS permits,
        coalesce(pg_get_expr(pol.polqual, pol.polrelid), 'false') AS shown,
        coalesce(pg_get_expr(pol.polwithcheck, pol.polrelid), pg_get_expr(pol.polqual, pol.polrelid), 'false') AS taken
    FROM pg_policy AS pol
    WHERE pol.polrelid = $1::text::regclass
      AND EXISTS (
          SELECT
          FROM unnest(pol.polroles) AS role (oid)
          WHERE CASE role.oid WHEN 0 THEN true ELSE pg_has_role(role.oid, 'USAGE') END
      )
),
rule AS (
    SELECT side.name, policy.permits, CASE WHEN side.is_check THEN policy.taken ELSE policy.shown END AS condition
    FROM side
    LEFT JOIN policy ON policy.command IN ('*', side.command)
)
SELECT
    rule.name, current_user::text AS role,
    CASE
        WHEN bool_or(NOT rule.permits AND rule.condition = 'false') THEN 'none'
        WHEN bool_or(rule.permits AND rule.condition <> 'false') IS NOT TRUE THEN 'none'
        WHEN bool_or(rule.permits AND rule.condition = 'true') AND bool_and(rule.permits OR rule.condition = 'true')
            THEN 'all'
        ELSE 'some'
    END AS extent,
    concat_ws(
        ' AND ',
        '(' || string_agg('(' || rule.condition || ')', ' OR ') FILTER (WHERE rule.permits) || ')',
        string_agg('(' || rule.condition || ')', ' AND ') FILTER (WHERE NOT rule.permits)
    ) AS condition
FROM rule
WHERE row_security_active($1::text::regclass)
GROUP BY rule.name
