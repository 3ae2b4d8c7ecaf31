"""Declare the tables, and bring a database to them."""
