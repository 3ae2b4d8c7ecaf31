-- The pauses, in the columns of a claim's rows.
SELECT
    -3, NULL,
    json_build_object('backend', pauses.backend, 'seconds', extract(epoch FROM pauses.paused_until - now()))::text,
    {{nulls}}
FROM pauses
