-- Whether a breaker is that of a backend which has something due.
breaker.backend = {{backend}} AND EXISTS (
    SELECT FROM {{table}} AS due WHERE due.status = 'pending' AND due.run_at <= now() {{left_out}}
)
