-- Whether a CHECK refuses a row in which every column is null.
SELECT ({{expression}}) IS FALSE FROM (SELECT (NULL::{{table}}).*) AS nothing
