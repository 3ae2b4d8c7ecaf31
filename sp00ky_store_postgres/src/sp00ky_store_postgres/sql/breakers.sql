SELECT backend, state, greatest(extract(epoch FROM paused_until - now()), 0)::float8 AS paused_for_s
FROM {{breaker}}
