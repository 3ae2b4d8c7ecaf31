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
