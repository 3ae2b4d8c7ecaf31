-- The numbers of what was written, in one row: fewer than were given where a guard didn't fit, or a row is locked.
SELECT array_agg(written.n) FROM ({{written}}) AS written
