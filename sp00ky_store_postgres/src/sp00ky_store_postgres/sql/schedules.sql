-- The clock is there also where no schedule is.
SELECT
    clock.at AS now, schedule.name, schedule.definition::text, schedule.hash, schedule.seen::text, schedule.origin,
    schedule.revision, schedule.paused, schedule.removed, schedule.next_fire_at, schedule.last_fired_at,
    schedule.last_error, schedule.failures::text, schedule.job_table
FROM (SELECT clock_timestamp() AS at) AS clock
LEFT JOIN {{schedule}} AS schedule ON true
ORDER BY schedule.name
