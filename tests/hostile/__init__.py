"""Rows as a client could write them, every field hostile, against real runners on the real stores."""
