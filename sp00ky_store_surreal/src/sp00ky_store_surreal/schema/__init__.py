"""Define, migrate and check the tables."""
