UPDATE {{runner}} AS runner SET draining = true WHERE runner.id = $1 RETURNING runner.id
