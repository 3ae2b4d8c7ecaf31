-- NOT IN is hashed, whatever kinds of joins the session allows.
-- What wasn't written: what the row is, where it could be locked, or was, where somebody else holds it.
SELECT
    given.n,
    (SELECT held.epoch_now FROM held_{{number}} AS held WHERE held.n = given.n) AS held_epoch,
    (SELECT held.status_now FROM held_{{number}} AS held WHERE held.n = given.n) AS held_status,
    (SELECT job.lease_epoch FROM {{table}} AS job WHERE job.id = given.id) AS seen_epoch,
    (SELECT job.status FROM {{table}} AS job WHERE job.id = given.id) AS seen_status
FROM given
WHERE given.table_number = {{number}}
  AND given.n NOT IN (SELECT written.n FROM written_{{number}} AS written)
