-- Whether a breaker is that of a backend which has something due.
breaker.backend = {{backend}} AND (
    {{keyed}} OR EXISTS (
        SELECT FROM ONLY {{table}} AS due
        WHERE due.status = 'pending' AND due.ordering_key IS NULL
          AND due.priority = ANY ('{0,1,2,3}'::int[]) AND due.run_at <= now() {{left_out}}
    )
)
