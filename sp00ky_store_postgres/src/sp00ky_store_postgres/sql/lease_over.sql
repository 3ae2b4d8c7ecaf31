-- Whether a row's lease has run out, is missing, or is none that a claim can have written: it raised the epoch, and the
-- lease ends no later than any of the table's.
(
    {{row}}.lease_until IS NULL
    OR {{row}}.lease_until <= now()
    OR {{row}}.lease_epoch <= 0
    OR {{row}}.lease_until > now() + {{longest_lease}} * interval '1 second'
)
