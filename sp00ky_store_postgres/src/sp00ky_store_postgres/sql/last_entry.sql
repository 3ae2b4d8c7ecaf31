-- A row's last error, or a field of it, as text (not by ->, which fails for a \u0000 anywhere); what is longer than any runner writes it isn't read.
CASE
    WHEN NOT ({{fits}}) THEN NULL
    WHEN job.errors::text <> '[]' AND json_typeof(job.errors) = 'array' THEN (
        SELECT CASE WHEN NOT {{unreadable}} THEN last.entry{{field}} END
        FROM (
            SELECT each.value AS entry
            FROM json_array_elements(job.errors) WITH ORDINALITY AS each (value, n)
            ORDER BY each.n DESC
            LIMIT 1
        ) AS last
    )
END
