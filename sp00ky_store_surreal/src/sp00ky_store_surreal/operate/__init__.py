"""Do what operators ask for: pause, clear, reschedule, and keep a log of it."""
