-- Delete rows by their keys; the numbers of those that were there.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest({{given}}) WITH ORDINALITY AS given ({{names}}, number_of_given)
),
taken AS (
    DELETE FROM {{table}} AS job
    WHERE ({{names}}) IN (SELECT {{names}} FROM given)
    RETURNING {{names}}
)
SELECT given.number_of_given FROM given NATURAL JOIN taken ORDER BY 1
