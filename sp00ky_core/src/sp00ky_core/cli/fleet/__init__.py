"""Steer the fleet: its backends, its runners, its schedules."""
