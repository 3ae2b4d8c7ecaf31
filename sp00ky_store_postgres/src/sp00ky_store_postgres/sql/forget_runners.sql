DELETE FROM {{runner}} WHERE beat_at < now() - interval '1 day'
