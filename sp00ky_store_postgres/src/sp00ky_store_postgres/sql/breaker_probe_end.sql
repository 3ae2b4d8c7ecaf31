-- When the lease of a breaker's probe ends; NULL: there is none, or it is over. As with pauses none is too long.
CASE
    WHEN breaker.probe_until > now() AND breaker.probe_until <= now() + {{longest_probe}} * interval '1 second'
    THEN breaker.probe_until
END
