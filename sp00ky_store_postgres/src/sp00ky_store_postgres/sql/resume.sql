UPDATE {{control}} AS control
SET paused = false, paused_until = NULL, reason = NULL, actor = NULL, since = NULL
WHERE control.backend = $1 AND {{paused}}
RETURNING control.backend
