NOT EXISTS (
    SELECT FROM {{schedule_run}} AS run
    WHERE run.schedule = ANY ({{schedules}}::text[]) AND run.job_id = {{prefix}} || ended.id::text
)
