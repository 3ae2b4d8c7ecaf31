-- Whether a transaction was committed, whose reply was lost. (No longer known: it is very old.)
SELECT coalesce(pg_xact_status($1::text::xid8) = 'committed', false)
