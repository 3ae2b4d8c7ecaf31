-- When a breaker's pause ends; NULL: it has none, or it is over. One that lasts longer than any was written while this
-- clock was ahead, or by a client, and counts as over.
CASE
    WHEN breaker.paused_until > now() AND breaker.paused_until <= now() + {{longest_pause}} * interval '1 second'
    THEN breaker.paused_until
END
