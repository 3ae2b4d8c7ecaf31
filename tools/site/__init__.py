"""Build the documents' site: ``python -m tools.site``; nothing is fetched."""
