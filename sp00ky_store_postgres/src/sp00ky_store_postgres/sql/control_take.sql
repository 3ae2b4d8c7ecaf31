UPDATE {{control}} AS control SET tokens = $2, tokens_at = $3 WHERE control.backend = $1 RETURNING control.backend
