"""Make the tables with Django's migrations, one for each version of the stores' tables."""
