-- How many ordering keys this claim has looked at, and the last of them.
SELECT
    -4, NULL,
    json_build_object('backend', {{backend}}::text, 'keys', count(*), 'last', max(keys.ordering_key))::text,
    {{nulls}}
FROM {{keys}} AS keys
