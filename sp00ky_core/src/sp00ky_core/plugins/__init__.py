"""Discover, validate and call plugins."""
