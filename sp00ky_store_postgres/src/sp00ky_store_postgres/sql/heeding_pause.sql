AND NOT EXISTS (SELECT FROM {{control}} AS control WHERE control.backend = {{backend}} AND {{paused}})
