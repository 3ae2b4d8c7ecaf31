DELETE FROM {{runner}} AS runner WHERE runner.id = $1
