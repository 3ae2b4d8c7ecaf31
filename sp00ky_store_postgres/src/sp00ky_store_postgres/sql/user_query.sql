-- Users' queries.


-- name: user_query
-- A user's query, which stands between parentheses, so that it can be but one. Each row as PostgreSQL writes it as JSON,
-- and its length in bytes; one that is too long isn't sent. OFFSET keeps rows from being written as JSON twice.
DECLARE sp00ky_rows NO SCROLL CURSOR FOR
SELECT CASE WHEN octet_length(made.json) <= {{longest}} THEN made.json END AS json, octet_length(made.json) AS bytes
FROM (
SELECT row_to_json(given)::text AS json
FROM (
{{query}}
) AS given
OFFSET 0
) AS made


-- name: user_query_fetch
-- So few at a time that the longest rows take little memory.
FETCH FORWARD 100 FROM sp00ky_rows
