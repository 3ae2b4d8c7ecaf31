-- The server gives a statement up itself, where its client is gone without a word. A role's own bound stays if it is tighter.
SELECT set_config('statement_timeout', $1::text, false)
WHERE current_setting('statement_timeout')::interval = interval '0'
   OR current_setting('statement_timeout')::interval > $1::text::interval
