"""Bring statements to PostgreSQL: pools, sessions, callers' transactions."""
