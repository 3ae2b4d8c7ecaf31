-- A backend's row, locked; no row where another claim has it, or where there is none yet. With the database's clock.
SELECT
    control.tokens,
    control.tokens_at,
    clock_timestamp() AS now,
    -- A runner that is stopped in this transaction would stop the backend for the whole fleet.
    set_config('idle_in_transaction_session_timeout', '5000', true)
FROM {{control}} AS control
WHERE control.backend = $1
FOR NO KEY UPDATE SKIP LOCKED
