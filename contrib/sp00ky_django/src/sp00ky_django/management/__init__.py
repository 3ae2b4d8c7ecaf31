"""Bring commands to ``manage.py``."""
