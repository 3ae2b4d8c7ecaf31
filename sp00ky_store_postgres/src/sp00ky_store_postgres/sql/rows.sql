-- What is read of rows, and those that are named by their keys.


-- name: readable_text
-- A text, unless it is too long. Its length is known without reading it.
CASE WHEN octet_length(job.{{column}}) > {{longest}} THEN {{unread}} ELSE job.{{column}} END


-- name: readable_errors
-- A row's errors as text; of those that are long the last entry, after a text that says so.
CASE
    WHEN {{fits}} THEN job.errors::text
    WHEN {{is_read}} THEN
        '["{{unread}}"' || coalesce((
            SELECT ',' || last.entry::text
            FROM (SELECT {{last}} AS entry OFFSET 0) AS last
            WHERE octet_length(last.entry::text) <= {{longest}}
        ), '') || ']'
    ELSE {{too_long}}
END


-- name: fits_json
-- Whether json is short enough. Its length isn't known without reading it, but what it takes compressed is: a huge
-- one isn't read.
CASE WHEN pg_column_size(job.{{column}}) <= {{longest}} + 4 THEN octet_length(job.{{column}}::text) <= {{longest}} ELSE false END


-- name: last_entry
-- A row's last error, or a field of it, as text (not by ->, which fails for a \u0000 anywhere); what is longer than any runner writes it isn't read.
CASE
    WHEN NOT ({{fits}}) THEN NULL
    WHEN job.errors::text <> '[]' AND json_typeof(job.errors) = 'array' THEN (
        SELECT CASE WHEN NOT {{unreadable}} THEN last.entry{{field}} END
        FROM (
            SELECT error.value AS entry
            FROM json_array_elements(job.errors) WITH ORDINALITY AS error (value, n)
            ORDER BY error.n DESC
            LIMIT 1
        ) AS last
    )
END


-- name: delete_first
-- By ctid, for rows that were just locked; what another transaction holds is left.
WITH gone AS (
    DELETE FROM {{table}}
    WHERE job.ctid = ANY (ARRAY(SELECT job.ctid FROM {{table}}{{conditions}}{{order}} LIMIT {{limit}} FOR UPDATE SKIP LOCKED))
      AND job.status || '' NOT IN ('pending', 'processing')
    RETURNING job.{{first}} AS first
)
SELECT count(*), min(gone.first) FROM gone
