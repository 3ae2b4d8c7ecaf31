"""Heed what steers the fleet: operators' pauses and limits."""
