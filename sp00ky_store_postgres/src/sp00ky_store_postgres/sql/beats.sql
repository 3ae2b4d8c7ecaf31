-- Everybody's last sign of life.
SELECT id, beat_at FROM {{runner}}
