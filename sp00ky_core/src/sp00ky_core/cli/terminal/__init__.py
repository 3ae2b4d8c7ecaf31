"""Print for people and programs, without secrets."""
