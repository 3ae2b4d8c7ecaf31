SELECT control.backend, control.paused_until, control.since, control.reason, control.actor
FROM {{control}} AS control
WHERE {{paused}}
