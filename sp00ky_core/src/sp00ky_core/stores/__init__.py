"""Stores that the core brings, and what is the same in every store."""
