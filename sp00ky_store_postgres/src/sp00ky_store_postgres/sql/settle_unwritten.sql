-- NOT IN is hashed, whatever kinds of joins the session allows.
-- What wasn't written: what the row is, where it could be locked, or was, where another transaction holds it.
SELECT
    given.n,
    (SELECT held.epoch_now FROM held_{{number}} AS held WHERE held.n = given.n) AS held_epoch,
    (SELECT held.status_now FROM held_{{number}} AS held WHERE held.n = given.n) AS held_status,
    (SELECT held.runner_now FROM held_{{number}} AS held WHERE held.n = given.n) AS held_runner,
    (SELECT job.lease_epoch FROM ONLY {{table}} AS job WHERE job.id = given.id) AS seen_epoch,
    (SELECT job.status FROM ONLY {{table}} AS job WHERE job.id = given.id) AS seen_status,
    (SELECT job.runner_id FROM ONLY {{table}} AS job WHERE job.id = given.id) AS seen_runner
FROM given
WHERE given.table_number = {{number}}
  AND given.n NOT IN (SELECT written.n FROM written_{{number}} AS written)
