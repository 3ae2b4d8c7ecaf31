-- A row's errors with one more: the first and the latest 49 are kept, in two passes over the text, however long it is.
-- (Not by ->, which fails for a \u0000 anywhere.)
-- OFFSET 0 keeps each count from being taken anew for each entry. Text that is longer than any runner's isn't read,
-- nor are entries that are longer than any runner's. A throttled entry takes the place of one that it follows.
(
    SELECT (
        '[' || coalesce(string_agg(kept.value::text, ',' ORDER BY kept.n) || ',', '')
        || '{"at":"' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '",'
        || min(last.merged) || substr(held.error, 2) || ']'
    )::json
    FROM (
        SELECT CASE
            WHEN NOT ({{fits}}) THEN '[]'
            WHEN json_typeof(job.errors) = 'array' THEN job.errors
            ELSE '[]'
        END AS errors
        OFFSET 0
    ) AS before
    CROSS JOIN LATERAL (
        SELECT counted.count, CASE
            WHEN held.flags & 32 <> 0 THEN (
                SELECT each.value
                FROM json_array_elements(before.errors) WITH ORDINALITY AS each (value, n)
                WHERE each.n = counted.count
            )
        END AS entry
        FROM (SELECT json_array_length(before.errors) AS count OFFSET 0) AS counted
        OFFSET 0
    ) AS found
    CROSS JOIN LATERAL (
        SELECT found.count - (throttled.merged <> '')::int AS count, throttled.merged
        FROM (
            SELECT CASE
                WHEN found.entry IS NULL OR {{unreadable}} THEN ''
                WHEN found.entry ->> 'name' = 'throttled' THEN
                    '"since":' || to_json(left(coalesce(found.entry ->> 'since', found.entry ->> 'at', ''), 64))::text
                    || ',"count":' || CASE
                        WHEN found.entry ->> 'count' ~ '^[0-9]{1,9}$' THEN (found.entry ->> 'count')::int + 1
                        ELSE 2
                    END || ','
                ELSE ''
            END AS merged
            OFFSET 0
        ) AS throttled
        OFFSET 0
    ) AS last
    LEFT JOIN LATERAL json_array_elements(before.errors) WITH ORDINALITY AS kept (value, n)
        ON kept.n <= last.count
       AND (kept.n = 1 OR kept.n > last.count - {{others}})
       AND octet_length(kept.value::text) <= {{longest_entry}}
)
