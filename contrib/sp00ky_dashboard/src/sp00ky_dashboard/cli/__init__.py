"""Serve the dashboard from the command line."""
