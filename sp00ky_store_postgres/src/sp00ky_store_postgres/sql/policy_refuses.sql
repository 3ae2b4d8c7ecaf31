-- Which statuses a condition refuses, if it speaks of nothing else of a row.
SELECT {{table}}.status
FROM unnest($1::text[]) AS {{table}} (status)
WHERE ({{condition}}) IS NOT TRUE
