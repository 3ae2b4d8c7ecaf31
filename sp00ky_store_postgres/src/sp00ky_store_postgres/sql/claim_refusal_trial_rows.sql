-- The rows that a claim would take.
WITH RECURSIVE {{all_keys}}
SELECT due.id FROM ({{due}}) AS due
