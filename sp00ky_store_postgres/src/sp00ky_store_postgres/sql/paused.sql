-- Whether an operator's pause holds now.
(control.paused AND (control.paused_until IS NULL OR control.paused_until > now()))
