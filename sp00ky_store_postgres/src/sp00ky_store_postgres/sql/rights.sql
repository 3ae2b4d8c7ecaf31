-- Which rights this role lacks on a relation.
SELECT missing::text
FROM unnest($2::text[]) AS missing
WHERE NOT has_table_privilege($1::text::regclass, missing)
