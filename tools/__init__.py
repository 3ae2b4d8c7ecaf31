"""Checks and generators that the project's own sessions run: ``python -m tools.words``."""
