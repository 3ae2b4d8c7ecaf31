"""Answer operators: pause, reschedule, and a log of what they do."""
