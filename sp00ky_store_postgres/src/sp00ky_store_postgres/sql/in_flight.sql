-- Requests that may be under way: of jobs that are processing, and of those that were lost or killed until their lease ends.
SELECT
    (SELECT count(*) FROM ONLY {{table}} AS job WHERE job.status = 'processing')
    + (SELECT count(*) FROM ONLY {{table}} AS job WHERE {{leased}})
