-- A backend's row, locked; no row where another claim has it, or where there is none yet. Tokens by the database's clock.
SELECT
    least(
        $3::float8,
        control.tokens + $2::float8 * greatest(extract(epoch FROM clock_timestamp() - control.tokens_at)::float8, 0)
    ) AS tokens,
    clock_timestamp() AS at,
    control.tokens_at > clock_timestamp() AS is_ahead, -- the clock has gone back
    -- A runner that is stopped in this transaction would stop the backend for the whole fleet.
    set_config('idle_in_transaction_session_timeout', '5000', true)
FROM {{control}} AS control
WHERE control.backend = $1
FOR NO KEY UPDATE SKIP LOCKED
