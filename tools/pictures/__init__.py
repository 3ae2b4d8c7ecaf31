"""Draw and take the documents' pictures: ``python -m tools.pictures``."""
