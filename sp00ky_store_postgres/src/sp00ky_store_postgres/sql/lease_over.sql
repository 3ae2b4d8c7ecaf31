-- Whether a row's lease has run out, is missing, or ends later than any runner can have written.
(
    {{row}}.lease_until IS NULL
    OR {{row}}.lease_until <= now()
    OR {{row}}.lease_until > now() + {{longest_lease}} * interval '1 second'
)
