"""Decide what a workflow does next; nothing here reads a clock or a database."""
